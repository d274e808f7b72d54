/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/child.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "common/base.h"
#include "common/log.h"

int child_open_signals(void) {
        sigset_t set;
        int fd;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGQUIT);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        fd = signalfd(-1, &set, SFD_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

void child_reset_signals(void) {
        sigset_t none;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

int child_wait(int pidfd, int signal_fd) {
        struct pollfd fds[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };
        bool interrupted = false;
        siginfo_t info = {};

        while (poll(fds, 2, -1) < 0 && errno == EINTR)
                ;
        if (fds[1].revents && !fds[0].revents) {
                interrupted = true;
                (void) pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
        }
        while (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "cannot wait for a process: %m");
        if (interrupted)
                return log_error_errno(EINTR, "interrupted; nothing is imported");
        return info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
}
