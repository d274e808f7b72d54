/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/notify-relay.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/utf8.h"

/* So many messages at once, and one more each REFILL_USEC: senders who have more wait. PID 1 is not to be kept busy. */
#define TOKENS_MAX  50U
#define REFILL_USEC 10000U

int notify_relay_bind(int dir_fd) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const int yes = 1;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0)
                return -errno;
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/notify", dir_fd);
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            fchmodat(dir_fd, "notify", 0666, 0) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static bool is_number(const char *s, size_t n) {
        if (n == 0 || n > 20)
                return false;
        for (size_t i = 0; i < n; i++)
                if (s[i] < '0' || s[i] > '9')
                        return false;
        return true;
}

/* sd_notify(3) has the names. */
static bool keep_line(char *line, size_t n) {
        static const struct {
                const char *name;
                enum { ONE, NUMBER, TEXT } kind;
        } rows[] = {
                { "READY=", ONE },    { "STOPPING=", ONE },          { "RELOADING=", ONE },
                { "WATCHDOG=", ONE }, { "STATUS=", TEXT },           { "EXTEND_TIMEOUT_USEC=", NUMBER },
                { "ERRNO=", NUMBER }, { "MONOTONIC_USEC=", NUMBER },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                size_t k = strlen(rows[i].name);

                if (n < k || memcmp(line, rows[i].name, k) != 0)
                        continue;
                if (rows[i].kind == TEXT) /* systemctl prints a status as it is */
                        utf8_disarm(line + k, n - k);
                return rows[i].kind == TEXT || (rows[i].kind == ONE && n == k + 1 && line[k] == '1') ||
                       (rows[i].kind == NUMBER && is_number(line + k, n - k)) ||
                       (streq(rows[i].name, "WATCHDOG=") && n == k + 7 &&
                        memcmp(line + k, "trigger", 7) == 0);
        }
        return false;
}

size_t notify_filter(char *text, size_t n) {
        size_t kept = 0;

        if (n > 0 && text[n - 1] == '\0')
                n--; /* some send it */
        if (memchr(text, '\0', n))
                return 0;
        for (size_t at = 0; at < n;) {
                const char *end = memchr(text + at, '\n', n - at);
                size_t length = end ? (size_t) (end - (text + at)) : n - at;

                if (keep_line(text + at, length)) {
                        if (kept > 0)
                                text[kept++] = '\n';
                        memmove(text + kept, text + at, length);
                        kept += length;
                }
                at += length + 1;
        }
        return kept;
}

static bool has_room(const NotifyRelay *relay) {
        struct pollfd p = { .fd = relay->to_fd, .events = POLLOUT };

        return poll(&p, 1, 0) > 0;
}

bool notify_relay_ready(const NotifyRelay *relay) {
        return relay->from_fd >= 0 && relay->tokens > 0 && has_room(relay);
}

/* Is what was received from the command's user or root, in the container's own pid namespace? */
static bool counts(const NotifyRelay *relay, struct msghdr *message) {
        struct cmsghdr *header = CMSG_FIRSTHDR(message);
        struct ucred sender;

        if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS)
                return false;
        memcpy(&sender, CMSG_DATA(header), sizeof(sender));
        return sender.pid > 0 && (sender.uid == 0 || sender.uid == relay->uid);
}

/* 1: one was handled; 0: there is none, or systemd has no room for it. It is taken from the queue only when it has
 * gone on, or is not to. */
static int pass_one(const NotifyRelay *relay) {
        /* room for credentials alone: descriptors never arrive, the kernel closes them */
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        char text[NOTIFY_SIZE_MAX];
        struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        ssize_t n = recvmsg(relay->from_fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        size_t kept = 0;

        if (n < 0)
                return 0;
        if (!(message.msg_flags & MSG_TRUNC) && counts(relay, &message))
                kept = notify_filter(text, (size_t) n);
        if (kept > 0 && send(relay->to_fd, text, kept, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EAGAIN)
                return 0;
        (void) recv(relay->from_fd, text, 1, MSG_DONTWAIT);
        return 1;
}

static bool ping(NotifyRelay *relay, uint64_t now) {
        static const char text[] = "WATCHDOG=1";

        if (relay->watchdog_usec == 0 || now - relay->pinged_usec < relay->watchdog_usec / 2)
                return false;
        (void) send(relay->to_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        relay->pinged_usec = now;
        return true;
}

bool notify_relay_run(NotifyRelay *relay) {
        unsigned handled = 0;
        uint64_t now, more;

        if (relay->to_fd < 0)
                return false;
        now = monotonic_usec();
        more = (now - relay->filled_usec) / REFILL_USEC;
        if (more > 0) {
                relay->tokens = more >= TOKENS_MAX - relay->tokens ? TOKENS_MAX
                                                                   : relay->tokens + (unsigned) more;
                relay->filled_usec = now;
        }
        while (relay->from_fd >= 0 && relay->tokens > 0 && pass_one(relay) > 0) {
                relay->tokens--;
                handled++;
        }
        return ping(relay, now) || handled > 0;
}

int notify_relay_timeout(const NotifyRelay *relay) {
        uint64_t now, due;

        if (relay->to_fd < 0)
                return -1;
        if (relay->from_fd >= 0 && !notify_relay_ready(relay))
                return 100; /* systemd's room cannot be waited for without being woken by all that others send */
        if (relay->watchdog_usec == 0)
                return -1;
        now = monotonic_usec();
        due = relay->pinged_usec + relay->watchdog_usec / 2;
        return due <= now ? 0 : (int) MIN((due - now) / 1000 + 1, (uint64_t) 3600000);
}
