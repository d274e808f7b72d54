/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/collect.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "common/json-text.h"
#include "common/utf8.h"

#define READ_SIZE 16384
/* A line of it, every byte escaped, is less than what the journal takes for one (journald.conf(5), LineMax=). */
#define TELL_SIZE 4096
/* poll(2) says that a pipe takes PIPE_BUF bytes without blocking, no more. */
#define WRITE_SIZE 4096
#define LINE_SIZE  (sizeof("{\"stdout\":,\"encoding\":\"base64\"}\n") + JSON_TEXT_MAX(TELL_SIZE + 4))

void collect_done(Collect *collect) {
        for (size_t i = 0; i < COLLECT_STREAMS; i++) {
                capture_done(&collect->streams[i].capture);
                collect->streams[i].fd = close_fd(collect->streams[i].fd);
        }
        free(collect->line);
        *collect = COLLECT_NONE;
}

int collect_init(Collect *collect, size_t max, bool tell, int fds[static COLLECT_STREAMS]) {
        collect->tell = tell;
        for (size_t i = 0; i < COLLECT_STREAMS; i++) {
                int flags = fcntl(fds[i], F_GETFL);

                if (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) < 0)
                        return -errno;
                collect->streams[i].fd = TAKE_FD(fds[i]);
                if (capture_init(&collect->streams[i].capture, max) < 0)
                        return -ENOMEM;
        }
        if (tell && !(collect->line = malloc(LINE_SIZE)))
                return -ENOMEM;
        return 0;
}

static bool is_writing(const Collect *collect) {
        return collect->start < collect->end && !collect->lost;
}

size_t collect_prepare(const Collect *collect, struct pollfd *set) {
        size_t n = 0;

        if (!collect->lost) /* a reader that went away is noticed while nothing is to be written, too */
                set[n++] = (struct pollfd){ .fd = STDOUT_FILENO,
                                            .events = is_writing(collect) ? POLLOUT : 0 };
        for (size_t i = 0; !is_writing(collect) && i < COLLECT_STREAMS; i++)
                if (collect->streams[i].fd >= 0)
                        set[n++] = (struct pollfd){ .fd = collect->streams[i].fd, .events = POLLIN };
        return n;
}

/* How many of the last bytes are the beginning of a character that may still become whole. */
static size_t unfinished(const char *s, size_t n) {
        for (size_t k = 1; k <= MIN(n, (size_t) 3); k++) {
                unsigned char c = (unsigned char) s[n - k];

                if ((c & 0xc0) == 0x80)
                        continue;
                return c >= 0xc0 && k < (c >= 0xf0 ? 4U : c >= 0xe0 ? 3U : 2U) ? k : 0;
        }
        return 0;
}

/* Makes the line for size bytes of stream i. What they lack of a character is kept for the next one, unless last. */
static void make_line(Collect *collect, size_t i, const char *data, size_t size, bool last) {
        static const char *const begin[] = { "{\"stdout\":", "{\"stderr\":" };
        CollectStream *stream = &collect->streams[i];
        char text[TELL_SIZE + sizeof(stream->rest)], *p = collect->line;
        const char *end = "}\n";
        size_t n = stream->n_rest + size;

        memcpy(text, stream->rest, stream->n_rest);
        memcpy(text + stream->n_rest, data, size);
        stream->n_rest = last ? 0 : unfinished(text, n);
        n -= stream->n_rest;
        memcpy(stream->rest, text + n, stream->n_rest);
        if (n == 0)
                return;
        p = stpcpy(p, begin[i]);
        if (utf8_valid_prefix(text, n) == n)
                p += json_text(text, n, p);
        else {
                p += json_base64(text, n, p);
                end = ",\"encoding\":\"base64\"}\n";
        }
        p = stpcpy(p, end);
        collect->start = 0;
        collect->end = (size_t) (p - collect->line);
}

/* Up to max bytes; returns how many there were. */
static size_t read_some(Collect *collect, size_t i, size_t max) {
        CollectStream *stream = &collect->streams[i];
        char data[READ_SIZE];
        ssize_t n;

        n = read(stream->fd, data, MIN(max, (size_t) (collect->tell ? TELL_SIZE : READ_SIZE)));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0)
                stream->fd = close_fd(stream->fd);
        n = MAX(n, (ssize_t) 0);
        capture_add(&stream->capture, data, (size_t) n);
        if (collect->tell)
                make_line(collect, i, data, (size_t) n, /* last= */ stream->fd < 0);
        return (size_t) n;
}

static void write_some(Collect *collect) {
        ssize_t n = write(STDOUT_FILENO, collect->line + collect->start,
                          MIN(collect->end - collect->start, (size_t) WRITE_SIZE));

        if (n > 0)
                collect->start += (size_t) n;
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
                collect->lost = true;
}

void collect_run(Collect *collect, const struct pollfd *set, size_t n) {
        for (size_t k = 0; k < n; k++) {
                if (!set[k].revents)
                        continue;
                if (set[k].fd == STDOUT_FILENO) {
                        if (set[k].revents & (POLLERR | POLLHUP | POLLNVAL))
                                collect->lost = true;
                        else if (is_writing(collect))
                                write_some(collect);
                        continue;
                }
                for (size_t i = 0; i < COLLECT_STREAMS && !is_writing(collect); i++)
                        if (collect->streams[i].fd == set[k].fd)
                                (void) read_some(collect, i, READ_SIZE);
        }
}

/* Until the line is written. False: never. */
static bool flush(Collect *collect, int stop_fd) {
        while (is_writing(collect)) {
                struct pollfd set[] = {
                        { .fd = STDOUT_FILENO, .events = POLLOUT },
                        { .fd = stop_fd, .events = POLLIN },
                };

                if (poll(set, ARRAY_LEN(set), -1) < 0 && errno != EINTR)
                        return false;
                if (set[1].revents)
                        return false;
                collect_run(collect, set, 1);
        }
        return !collect->lost;
}

void collect_drain(Collect *collect, int stop_fd) {
        for (size_t i = 0; i < COLLECT_STREAMS; i++) {
                CollectStream *stream = &collect->streams[i];
                int left = 0;

                if (!flush(collect, stop_fd))
                        return;
                if (stream->fd < 0)
                        continue;
                (void) ioctl(stream->fd, FIONREAD, &left);
                while (left > 0 && stream->fd >= 0) {
                        size_t n = read_some(collect, i, (size_t) left);

                        if (n == 0 || !flush(collect, stop_fd))
                                break;
                        left -= (int) n;
                }
                if (collect->tell && stream->n_rest > 0)
                        make_line(collect, i, "", 0, /* last= */ true);
                stream->fd = close_fd(stream->fd);
        }
        (void) flush(collect, stop_fd);
}
