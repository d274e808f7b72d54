/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/text/progress.h"

#include <stdio.h>
#include <time.h>

#include "common/clock.h"

#define BAR_WIDTH     30
#define INTERVAL_USEC 100000

void format_bytes(uint64_t bytes, char ret[static 16]) {
        static const char suffixes[] = "BKMGTPE";
        unsigned i = 0;
        uint64_t tenths;

        if (bytes < 1024) {
                snprintf(ret, 16, "%u", (unsigned) bytes);
                return;
        }
        /* one step less than it takes, then tenths of the last */
        while (bytes >= UINT64_C(1024) * 1024) {
                bytes /= 1024;
                i++;
        }
        tenths = bytes * 10 / 1024;
        snprintf(ret, 16, "%u.%u%c", (unsigned) (tenths / 10), (unsigned) (tenths % 10), suffixes[i + 1]);
}

void progress_begin(Progress *progress, const char *what, uint64_t total) {
        *progress = (Progress){
                .shown = isatty(STDERR_FILENO) == 1,
                .what = what,
                .total = total,
                .started_usec = monotonic_usec(),
        };
}

static void draw(const Progress *progress, uint64_t now) {
        char bar[BAR_WIDTH + 1], done[16], total[16];
        uint64_t seconds = (now - progress->started_usec) / 1000000;
        /* a source may grow while it is read */
        uint64_t share = progress->total > 0 ? MIN(progress->done, progress->total) : 0;
        size_t filled;

        format_bytes(progress->done, done);
        if (progress->total == 0) {
                fprintf(stderr, "\r\033[K%s: %s, %llu s", progress->what, done,
                        (unsigned long long) seconds);
                return;
        }
        format_bytes(progress->total, total);
        filled = (size_t) ((double) share / (double) progress->total * BAR_WIDTH);
        memset(bar, ' ', BAR_WIDTH);
        memset(bar, '#', MIN(filled, (size_t) BAR_WIDTH));
        bar[BAR_WIDTH] = '\0';
        fprintf(stderr, "\r\033[K%s: [%s] %3u%% %s of %s, %llu s", progress->what, bar,
                (unsigned) ((double) share / (double) progress->total * 100), done, total,
                (unsigned long long) seconds);
}

void progress_add(Progress *progress, uint64_t bytes) {
        uint64_t now;

        if (!progress)
                return;
        progress->done += bytes;
        if (!progress->shown)
                return;
        now = monotonic_usec();
        if (now - progress->drawn_usec < INTERVAL_USEC)
                return;
        progress->drawn_usec = now;
        draw(progress, now);
}

void progress_clear(Progress *progress) {
        if (!progress || !progress->shown || progress->drawn_usec == 0)
                return;
        progress->drawn_usec = 0;
        fputs("\r\033[K", stderr);
}
