/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/capture.h"

#include <inttypes.h>
#include <stdio.h>

#define SHARE(max) ((max) / 100 * 45 + (max) % 100 * 45 / 100)

void capture_done(Capture *capture) {
        free(capture->data);
        *capture = (Capture){};
}

void captured_done(Captured *captured) {
        free(captured->text);
        *captured = (Captured){};
}

int capture_init(Capture *capture, size_t max) {
        *capture = (Capture){ .max = max, .data = malloc(MAX(max, (size_t) 1)) };
        return capture->data ? 0 : -ENOMEM;
}

static uint64_t count_lines(const char *s, size_t n) {
        uint64_t lines = 0;

        for (const char *end = s + n; (s = memchr(s, '\n', (size_t) (end - s))); s++)
                lines++;
        return lines;
}

/* Where byte number at is kept, if it still is. */
static size_t place(const Capture *capture, uint64_t at) {
        size_t head = SHARE(capture->max);

        return at < head ? (size_t) at : head + (size_t) ((at - head) % (capture->max - head));
}

void capture_add(Capture *capture, const char *data, size_t size) {
        capture->lines += count_lines(data, size);
        if (capture->max == 0) {
                capture->total += size;
                return;
        }
        while (size > 0) {
                size_t to = place(capture, capture->total);
                size_t head = SHARE(capture->max);
                size_t n = MIN(size, (to < head ? head : capture->max) - to);

                memcpy(capture->data + to, data, n);
                capture->total += n;
                data += n;
                size -= n;
        }
}

static bool continues(char c) {
        return ((unsigned char) c & 0xc0) == 0x80;
}

/* How much of the n bytes of a beginning that goes on stays. */
static size_t cut_head(const char *s, size_t n) {
        const char *line = memrchr(s, '\n', n);
        size_t lead = n;

        if (line && (size_t) (line - s) >= n / 2)
                return (size_t) (line - s) + 1;
        while (lead > 0 && n - lead < 3 && continues(s[lead - 1]))
                lead--;
        /* An ASCII byte or the last of a whole character there is no reason to cut before. */
        if (lead > 0 && (unsigned char) s[lead - 1] >= 0xc0) {
                size_t length = (unsigned char) s[lead - 1] >= 0xf0   ? 4
                                : (unsigned char) s[lead - 1] >= 0xe0 ? 3
                                                                      : 2;

                return lead - 1 + length <= n ? n : lead - 1;
        }
        return n;
}

/* How much of the beginning of an end has to go. */
static size_t cut_tail(const char *s, size_t n) {
        const char *line = memchr(s, '\n', n);
        size_t lead = 0;

        if (line && (size_t) (line - s) < n / 2)
                return (size_t) (line - s) + 1;
        while (lead < n && lead < 3 && continues(s[lead]))
                lead++;
        return lead;
}

static void copy_out(const Capture *capture, uint64_t from, size_t n, char *to) {
        for (size_t done = 0; done < n;) {
                size_t at = place(capture, from + done);
                size_t head = SHARE(capture->max);
                size_t part = MIN(n - done, (at < head ? head : capture->max) - at);

                memcpy(to + done, capture->data + at, part);
                done += part;
        }
}

/* Puts together what is left: the head's first bytes, the notice, the tail's last. */
static int join(const char *head, size_t head_size, const char *tail, size_t tail_size, Captured *ret) {
        bool line = head_size == 0 || head[head_size - 1] == '\n';
        char notice[128];
        int n;

        n = snprintf(notice, sizeof(notice), "%s[... %" PRIu64 " bytes, %" PRIu64 " lines omitted ...]\n",
                     line ? "" : "\n", ret->omitted_bytes, ret->omitted_lines);
        ret->size = head_size + (size_t) n + tail_size;
        ret->text = malloc(ret->size + 1);
        if (!ret->text)
                return -ENOMEM;
        memcpy(ret->text, head, head_size);
        memcpy(ret->text + head_size, notice, (size_t) n);
        memcpy(ret->text + head_size + n, tail, tail_size);
        ret->text[ret->size] = '\0';
        return 0;
}

int capture_take(const Capture *capture, Captured *ret) {
        _cleanup_captured_ Captured captured = {};
        _cleanup_free_ char *tail = NULL;
        size_t share = SHARE(capture->max), head_size, cut;
        int r;

        if (capture->total <= capture->max) {
                captured.text = malloc((size_t) capture->total + 1);
                if (!captured.text)
                        return -ENOMEM;
                captured.size = (size_t) capture->total;
                copy_out(capture, 0, captured.size, captured.text);
                captured.text[captured.size] = '\0';
        } else {
                tail = malloc(share + 1);
                if (!tail)
                        return -ENOMEM;
                copy_out(capture, capture->total - share, share, tail);
                head_size = cut_head(capture->data, share);
                cut = cut_tail(tail, share);
                captured.omitted_bytes = capture->total - head_size - (share - cut);
                captured.omitted_lines = capture->lines - count_lines(capture->data, head_size) -
                                         count_lines(tail + cut, share - cut);
                r = join(capture->data, head_size, tail + cut, share - cut, &captured);
                if (r < 0)
                        return r;
        }
        *ret = captured;
        captured = (Captured){};
        return 0;
}
