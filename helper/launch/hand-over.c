/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/hand-over.h"

#include <sys/socket.h>

/* What goes along with the descriptors: cmsg(3) wants it aligned like its header. */
typedef union Control {
        struct cmsghdr header;
        char room[CMSG_SPACE(HAND_OVER_MAX * sizeof(int))];
} Control;

typedef struct Word {
        char word;
        uint8_t there; /* a bit for each descriptor */
} Word;

int hand_over_send(int socket_fd, char word, const int *fds, size_t n) {
        Word data = { .word = word };
        Control control = {};
        struct iovec part = { &data, sizeof(data) };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control };
        int present[HAND_OVER_MAX] = {};
        size_t n_present = 0;
        ssize_t sent;

        assert(n <= HAND_OVER_MAX);
        for (size_t i = 0; i < n; i++)
                if (fds[i] >= 0) {
                        data.there |= (uint8_t) (1U << i);
                        present[n_present++] = fds[i];
                }
        control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS,
                                           .cmsg_len = CMSG_LEN(n_present * sizeof(int)) };
        memcpy(CMSG_DATA(&control.header), present, n_present * sizeof(int));
        message.msg_controllen = n_present > 0 ? CMSG_SPACE(n_present * sizeof(int)) : 0;
        do
                sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        return sent < 0 ? -errno : 0; /* two bytes go at once */
}

int hand_over_receive(int socket_fd, char word, int *fds, size_t n) {
        Word data = {};
        Control control = {};
        struct iovec part = { &data, sizeof(data) };
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        const struct cmsghdr *header;
        const char *from;
        ssize_t got;

        do
                got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
        while (got < 0 && errno == EINTR);
        header = CMSG_FIRSTHDR(&message);
        if (got != sizeof(data) || data.word != word ||
            (header ? (header->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0) !=
                            (size_t) __builtin_popcount(data.there))
                return -ECONNRESET;
        from = header ? (const char *) CMSG_DATA(header) : NULL;
        for (size_t i = 0; i < n; i++) {
                fds[i] = -EBADF;
                if (data.there & (1U << i)) {
                        memcpy(&fds[i], from, sizeof(int));
                        from += sizeof(int);
                }
        }
        return 0;
}
