/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/gate/authority.h"

#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "helper/container/state.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

#define ANSWER_USEC (UINT64_C(120) * 1000000) /* somebody types a password */

int subject_of_peer(int socket_fd, Subject *ret) {
        _cleanup_close_ int pidfd = -EBADF;
        struct ucred credentials;
        socklen_t n = sizeof(credentials);
        uint64_t start_time;
        int fd = -EBADF, r;

        if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &n) < 0)
                return -errno;
        if (credentials.pid <= 0) /* of a pid namespace that is not ours */
                return -ESRCH;
        /* The kernel's own word for who connected, where it has one; else who has the number now, and polkit will
         * find that it is of the same user or refuse it. */
        n = sizeof(fd);
        if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &n) >= 0)
                pidfd = fd;
        else if (errno == ENOPROTOOPT)
                pidfd = pidfd_open(credentials.pid, 0);
        if (pidfd < 0)
                return -errno;
        r = state_start_time(credentials.pid, &start_time);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        /* It is there yet, so what was read is of it. */
        if (pidfd_send_signal(pidfd, 0, NULL, 0) < 0 && errno != EPERM)
                return -errno;
        *ret = (Subject){ .pid = credentials.pid, .start_time = start_time, .uid = credentials.uid };
        return 0;
}

/* (subject, action, details, flags, cancellation): org.freedesktop.PolicyKit1.Authority(5) */
static int append_question(sd_bus_message *message, const Subject *subject, const Question *question) {
        int r;

        r = sd_bus_message_append(message, "(sa{sv})s", "unix-process", 3, "pid", "u",
                                  (uint32_t) subject->pid, "start-time", "t", subject->start_time, "uid",
                                  "i", (int32_t) subject->uid, question->action);
        if (r >= 0)
                r = sd_bus_message_append(message, "a{ss}us", 3, "container",
                                          question->container ? question->container : "", "user",
                                          question->user ? question->user : "", "volume",
                                          question->volume ? question->volume : "",
                                          question->interactive ? 1u : 0u, "");
        return r;
}

int authority_check(sd_bus *bus, const Subject *subject, const Question *question, Verdict *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *answer = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int authorized, challenge, r;

        r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.PolicyKit1",
                                           "/org/freedesktop/PolicyKit1/Authority",
                                           "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
        if (r >= 0)
                r = append_question(call, subject, question);
        if (r >= 0)
                r = sd_bus_call(bus, call, ANSWER_USEC, &error, &answer);
        if (r >= 0)
                r = sd_bus_message_enter_container(answer, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(answer, "bb", &authorized, &challenge);
        if (r < 0)
                return r;
        *ret = authorized ? VERDICT_YES : challenge ? VERDICT_CHALLENGE : VERDICT_NO;
        return 0;
}
