/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int find_socket(struct sockaddr_un *address, socklen_t *ret) {
        const char *path = getenv("NOTIFY_SOCKET");
        size_t n;

        if (!path || (path[0] != '/' && path[0] != '@'))
                return -ENOENT;
        n = strlen(path);
        if (n >= sizeof(address->sun_path))
                return -ENAMETOOLONG;
        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        memcpy(address->sun_path, path, n);
        if (path[0] == '@')
                address->sun_path[0] = '\0'; /* unix(7): the abstract namespace */
        *ret = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n);
        return 0;
}

int notify_connect(void) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address;
        socklen_t size;
        int r;

        r = find_socket(&address, &size);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, size) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Sends text with the credentials of pid and with fd, where they are given. */
static int send_datagram(pid_t pid, int fd, const char *text) {
        struct sockaddr_un address;
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec text_iov = { .iov_base = (void *) (uintptr_t) text, .iov_len = strlen(text) };
        struct msghdr message = { .msg_name = &address, .msg_iov = &text_iov, .msg_iovlen = 1 };
        _cleanup_close_ int socket_fd = -EBADF;
        struct cmsghdr *header;
        int r;

        r = find_socket(&address, &message.msg_namelen);
        if (r < 0)
                return r;

        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        header = CMSG_FIRSTHDR(&message);
        message.msg_controllen = 0;
        if (pid > 0) {
                struct ucred credentials = { .pid = pid, .uid = getuid(), .gid = getgid() };

                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_CREDENTIALS;
                header->cmsg_len = CMSG_LEN(sizeof(credentials));
                memcpy(CMSG_DATA(header), &credentials, sizeof(credentials));
                message.msg_controllen = CMSG_SPACE(sizeof(credentials));
        } else if (fd >= 0) {
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(fd));
                memcpy(CMSG_DATA(header), &fd, sizeof(fd));
                message.msg_controllen = CMSG_SPACE(sizeof(fd));
        }
        if (message.msg_controllen == 0)
                message.msg_control = NULL;

        socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (socket_fd < 0)
                return -errno;
        return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int notify_send(pid_t pid, const char *text) {
        return send_datagram(pid, -EBADF, text);
}

int notify_barrier(void) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];
        r = send_datagram(0, theirs, "BARRIER=1");
        return r < 0 ? r : TAKE_FD(ours);
}

int notify_barrier_wait(int barrier_fd, int timeout_ms) {
        struct pollfd wait = { .fd = barrier_fd };
        int r;

        do
                r = poll(&wait, 1, timeout_ms);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return -errno;
        return r == 0 ? -ETIMEDOUT : 0;
}
