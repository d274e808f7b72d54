/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/utf8.h"

/* The kernel refuses records over 1024 bytes, prefix included (printk's LOG_LINE_MAX). */
#define KMSG_RECORD_MAX 1000

/* The one piece of state: where records go. Set once, before anything is logged. */
static struct {
        int fd;
        const char *tag;
} kmsg = { .fd = -EBADF };
static bool muted, leads_to_journal;

void log_to_kmsg(const char *tag) {
        kmsg.tag = tag;
        kmsg.fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
}

void log_mute(void) {
        muted = true;
}

static void write_all(int fd, const char *s, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, s, n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return; /* there is nowhere left to tell it */
                s += k;
                n -= (size_t) k;
        }
}

/* systemd.exec(5): JOURNAL_STREAM has device and inode of the journal's stream, and whoever inherited it is to
 * compare them with those of the descriptor, which may lead elsewhere by now. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        char own[64];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        return strcmp(own, stream) == 0;
}

void log_keep_levels(void) {
        leads_to_journal = stderr_is_journal();
}

static void write_record(int fd, const char *prefix, const char *text, size_t max) {
        char record[8192];
        int n = snprintf(record, sizeof(record), "%s%s\n", prefix, text);

        if (n < 0)
                return;
        if ((size_t) n >= MIN(sizeof(record), max)) { /* cut, and say so */
                n = (int) MIN(sizeof(record), max) - 1;
                memcpy(record + n - 5, " ...\n", 5);
        }
        write_all(fd, record, (size_t) n);
}

int log_full(int level, int error, const char *format, ...) {
        int saved = errno;
        char text[8192], prefix[64] = "";
        va_list ap;

        if (muted)
                return -abs(error);
        errno = abs(error); /* for %m */
        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        /* One record is one line, whatever a hostile name in it holds. */
        utf8_disarm(text, strlen(text));

        if (leads_to_journal || stderr_is_journal())
                snprintf(prefix, sizeof(prefix), "<%d>", level);
        write_record(STDERR_FILENO, prefix, text, SIZE_MAX);
        if (kmsg.fd >= 0) {
                snprintf(prefix, sizeof(prefix), "<%d>%s: ", level, kmsg.tag);
                write_record(kmsg.fd, prefix, text, KMSG_RECORD_MAX);
        }
        errno = saved;
        return -abs(error);
}
