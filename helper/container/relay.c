/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/relay.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>

/* poll(2) says that a pipe takes PIPE_BUF bytes without blocking, no more; a file takes all. */
#define CHUNK_MAX   4096
#define BUFFER_SIZE 65536 /* as much as a pipe holds, pipe(7) */
#define QUIET_MS    50

static void end_stream(Stream *stream) {
        if (stream->own_from)
                close_fd(stream->from);
        if (stream->own_to)
                close_fd(stream->to);
        free(stream->buffer);
        *stream = (Stream){ .from = -EBADF, .to = -EBADF };
}

void relay_done(Relay *relay) {
        for (size_t i = 0; i < relay->n; i++)
                end_stream(&relay->streams[i]);
        relay->n = 0;
        relay->slave_fd = close_fd(relay->slave_fd);
        relay->master_fd = close_fd(relay->master_fd);
}

static int make_nonblocking(int fd) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        return 0;
}

int relay_add(Relay *relay, int from, int to, bool own_from, bool own_to, bool input) {
        Stream *stream = &relay->streams[relay->n];
        struct stat st;
        int r = 0;

        assert(relay->n < RELAY_STREAMS);
        if (own_from)
                r = make_nonblocking(from);
        if (r >= 0 && own_to)
                r = make_nonblocking(to);
        if (r < 0)
                return r;
        *stream = (Stream){ .from = from, .to = to, .own_from = own_from, .own_to = own_to, .input = input };
        stream->last = '\n';
        stream->calm = calm_begin(to);
        stream->whole = own_to || (fstat(to, &st) >= 0 && S_ISREG(st.st_mode));
        stream->buffer = malloc(BUFFER_SIZE);
        if (!stream->buffer)
                return -ENOMEM;
        relay->n++;
        return 0;
}

size_t relay_prepare(const Relay *relay, struct pollfd *set) {
        size_t n = 0;

        for (size_t i = 0; i < relay->n; i++) {
                const Stream *stream = &relay->streams[i];

                if (stream->from < 0)
                        continue;
                /* A reader that went away is noticed while nothing is to be written, too. */
                set[n++] = (struct pollfd){ .fd = stream->to,
                                            .events = stream->start < stream->end ? POLLOUT : 0 };
                if (!stream->eof && stream->start == stream->end)
                        set[n++] = (struct pollfd){ .fd = stream->from, .events = POLLIN };
        }
        return n;
}

static short revents(const struct pollfd *set, size_t n, int fd) {
        short all = 0;

        for (size_t i = 0; i < n; i++)
                if (set[i].fd == fd)
                        all |= set[i].revents;
        return all;
}

/* The end of our input, told to a terminal: VEOF at the start of a line is the end of the file, and after other
 * bytes it only sends them (termios(3)), so then it takes two. */
static void put_eof(Relay *relay, Stream *stream) {
        struct termios t;

        if (tcgetattr(relay->master_fd, &t) == 0 && (t.c_lflag & ICANON)) {
                if (stream->last != '\n')
                        stream->buffer[stream->end++] = (char) t.c_cc[VEOF];
                stream->buffer[stream->end++] = (char) t.c_cc[VEOF];
        }
}

static void read_some(Relay *relay, Stream *stream) {
        ssize_t n = read(stream->from, stream->buffer, BUFFER_SIZE);

        if (n > 0) {
                stream->start = 0;
                stream->end = (size_t) n;
                calm_apply(&stream->calm, stream->buffer, stream->end);
                return;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        stream->eof = true;
        if (!stream->input || relay->master_fd < 0 || stream->to != relay->master_fd)
                return;
        if (isatty(stream->from) || (n < 0 && errno == EIO))
                relay->hung_up = true; /* a terminal in raw mode has no end but this */
        stream->start = stream->end = 0;
        put_eof(relay, stream);
}

static int write_some(Stream *stream) {
        size_t size = stream->end - stream->start;
        ssize_t n;

        if (!stream->whole)
                size = MIN(size, (size_t) CHUNK_MAX);
        n = write(stream->to, stream->buffer + stream->start, size);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        stream->start += (size_t) n;
        if (n > 0)
                stream->last = stream->buffer[stream->start - 1];
        return 0;
}

/* Whoever reads this stream is gone. The pipe's writer shall learn it as well; a terminal cannot be closed for one
 * direction, so there it is a hang-up. */
static void lose_reader(Relay *relay, Stream *stream) {
        if (!stream->input && stream->from == relay->master_fd)
                relay->hung_up = true;
        end_stream(stream);
}

void relay_run(Relay *relay, const struct pollfd *set, size_t n) {
        for (size_t i = 0; i < relay->n; i++) {
                Stream *stream = &relay->streams[i];
                short from, to;
                int r;

                if (stream->from < 0)
                        continue;
                from = revents(set, n, stream->from);
                to = revents(set, n, stream->to);
                if (stream->start == stream->end && !stream->eof && (from & (POLLIN | POLLHUP | POLLERR)))
                        read_some(relay, stream);
                else if (stream->start < stream->end && (to & (POLLOUT | POLLERR)) &&
                         (r = write_some(stream)) < 0) {
                        if (r != -EPIPE && relay->error == 0)
                                relay->error = r;
                        lose_reader(relay, stream);
                } else if ((to & POLLERR) && stream->to != relay->master_fd)
                        lose_reader(relay, stream);
                if (stream->from >= 0 && stream->eof && stream->start == stream->end)
                        end_stream(stream);
        }
}

void relay_drain(Relay *relay, int stop_fd) {
        relay->slave_fd = close_fd(relay->slave_fd);
        for (size_t i = 0; i < relay->n; i++)
                if (relay->streams[i].input)
                        end_stream(&relay->streams[i]);
        for (;;) {
                struct pollfd set[2 * RELAY_STREAMS + 1];
                size_t n = relay_prepare(relay, set);
                bool pending = false;

                if (n == 0)
                        return;
                for (size_t i = 0; i < relay->n; i++)
                        pending |= relay->streams[i].from >= 0 &&
                                   relay->streams[i].start < relay->streams[i].end;
                set[n] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
                if (poll(set, n + 1, pending ? -1 : QUIET_MS) <= 0 || set[n].revents)
                        return;
                relay_run(relay, set, n);
        }
}
