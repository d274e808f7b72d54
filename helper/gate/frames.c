/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/gate/frames.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "common/clock.h"
#include "common/strv.h"

#define WORDS_MAX 4096

static uint32_t get_number(const char *p) {
        const unsigned char *b = (const unsigned char *) p;

        return (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16 | (uint32_t) b[3] << 24;
}

static void put_number(char *p, uint32_t number) {
        for (size_t i = 0; i < 4; i++)
                p[i] = (char) (number >> (8 * i));
}

ssize_t frame_parse(const char *data, size_t size, Frame *ret) {
        uint32_t payload, type;

        if (size < FRAME_HEADING)
                return 0;
        payload = get_number(data);
        type = get_number(data + 4);
        if (payload > FRAME_PAYLOAD_MAX || type < FRAME_REQUEST || type > FRAME_END)
                return -EBADMSG;
        if (size - FRAME_HEADING < payload)
                return 0;
        *ret = (Frame){ .type = (FrameType) type, .payload = data + FRAME_HEADING, .size = payload };
        return (ssize_t) (FRAME_HEADING + payload);
}

int frame_words(const Frame *frame, char ***ret) {
        _cleanup_strv_ char **words = NULL;
        size_t n = 0;

        if (frame->size == 0 || frame->payload[frame->size - 1] != '\0')
                return -EBADMSG;
        for (const char *word = frame->payload; word < frame->payload + frame->size;
             word += strlen(word) + 1)
                if (++n > WORDS_MAX)
                        return -EBADMSG;
        words = calloc(n + 1, sizeof(char *));
        if (!words)
                return -ENOMEM;
        n = 0;
        for (const char *word = frame->payload; word < frame->payload + frame->size;
             word += strlen(word) + 1)
                if (!(words[n++] = strdup(word)))
                        return -ENOMEM;
        *ret = TAKE_PTR(words);
        return 0;
}

int frame_number(const Frame *frame, uint32_t *ret) {
        if (frame->size < 4)
                return -EBADMSG;
        *ret = get_number(frame->payload);
        return 0;
}

int frame_send(int socket_fd, FrameType type, const void *payload, size_t size, const int *fds,
               size_t n_fds) {
        char heading[FRAME_HEADING], control[CMSG_SPACE(FRAME_FDS_MAX * sizeof(int))] = {};
        struct iovec parts[] = { { heading, sizeof(heading) }, { (void *) (uintptr_t) payload, size } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_LEN(parts) };
        size_t left = sizeof(heading) + size;

        assert(size <= FRAME_PAYLOAD_MAX && n_fds <= FRAME_FDS_MAX);
        put_number(heading, (uint32_t) size);
        put_number(heading + 4, type);
        if (n_fds > 0) {
                struct cmsghdr *header;

                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
        }
        while (left > 0) {
                ssize_t n = sendmsg(socket_fd, &message, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                left -= (size_t) n;
                message.msg_control = NULL; /* they went with the first byte */
                message.msg_controllen = 0;
                for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
                        size_t taken = MIN((size_t) n, parts[i].iov_len);

                        parts[i].iov_base = (char *) parts[i].iov_base + taken;
                        parts[i].iov_len -= taken;
                        n -= (ssize_t) taken;
                }
        }
        return 0;
}

int frame_send_number(int socket_fd, FrameType type, uint32_t number, const char *text) {
        char payload[4 + 2048];
        size_t n = MIN(strlen(text), sizeof(payload) - 4);

        put_number(payload, number);
        memcpy(payload + 4, text, n);
        return frame_send(socket_fd, type, payload, 4 + n, NULL, 0);
}

void frame_reader_done(FrameReader *reader) {
        free(reader->data);
        for (size_t i = 0; i < reader->n_fds; i++)
                close_fd(reader->fds[i]);
        *reader = (FrameReader){};
}

/* All that came is taken over before anything is judged, so that nothing stays open behind a refusal. */
static int take_descriptors(FrameReader *reader, struct msghdr *message) {
        bool full = false;

        for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
             header = CMSG_NXTHDR(message, header)) {
                size_t n;

                if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
                        if (reader->n_fds < FRAME_FDS_MAX)
                                reader->fds[reader->n_fds++] = fd;
                        else {
                                close_fd(fd);
                                full = true;
                        }
                }
        }
        return full || (message->msg_flags & MSG_CTRUNC) ? -EBADMSG : 0;
}

static void drop_used(FrameReader *reader) {
        reader->size -= reader->used;
        if (reader->used > 0 && reader->size > 0)
                memmove(reader->data, reader->data + reader->used, reader->size);
        reader->used = 0;
}

int frame_reader_receive(FrameReader *reader, int socket_fd) {
        char control[CMSG_SPACE(FRAME_FDS_MAX * sizeof(int))];
        struct iovec part;
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
        };
        ssize_t n;
        int r;

        drop_used(reader);
        if (!reader->data && !(reader->data = malloc(FRAME_HEADING + FRAME_PAYLOAD_MAX)))
                return -ENOMEM;
        part = (struct iovec){ reader->data + reader->size,
                               FRAME_HEADING + FRAME_PAYLOAD_MAX - reader->size };
        if (part.iov_len == 0)
                return -EBADMSG;
        do
                n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        r = take_descriptors(reader, &message);
        if (r < 0)
                return r;
        reader->size += (size_t) n;
        return n == 0 ? -EPIPE : 0;
}

int frame_reader_next(FrameReader *reader, Frame *ret) {
        ssize_t n;

        drop_used(reader);
        n = frame_parse(reader->data, reader->size, ret);
        if (n <= 0)
                return (int) n;
        reader->used = (size_t) n;
        return 1;
}

int frame_reader_request(FrameReader *reader, int socket_fd, int timeout_ms, char ***ret_words) {
        const int64_t until = (int64_t) monotonic_ms() + timeout_ms;
        int64_t left;
        Frame frame;
        int r;

        while ((left = until - (int64_t) monotonic_ms()) > 0) {
                struct pollfd pollfd = { .fd = socket_fd, .events = POLLIN };

                r = poll(&pollfd, 1, (int) left);
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r <= 0)
                        continue;
                r = frame_reader_receive(reader, socket_fd);
                if (r >= 0)
                        r = frame_reader_next(reader, &frame);
                if (r < 0)
                        return r;
                if (r > 0)
                        return frame.type == FRAME_REQUEST ? frame_words(&frame, ret_words) : -EBADMSG;
        }
        return -ETIME;
}
