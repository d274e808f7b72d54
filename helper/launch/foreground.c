/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/foreground.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "common/contract.h"

/* The first of them ask for an end. */
static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
#define ENDING 4

static void make_set(size_t n, sigset_t *ret) {
        sigemptyset(ret);
        for (size_t i = 0; i < n; i++)
                sigaddset(ret, signals[i]);
}

void foreground_begin(void) {
        sigset_t set;

        make_set(ARRAY_LEN(signals), &set);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
}

int foreground_asked(void) {
        const struct timespec now = {};
        sigset_t set;
        int signal_number;

        make_set(ENDING, &set);
        signal_number = sigtimedwait(&set, NULL, &now);
        return signal_number < 0 ? 0 : signal_number;
}

/* Of a terminal, too: the leader is in a session of its own, which hears none of its keys. */
static void pass_on(int signal_fd, int pidfd) {
        struct signalfd_siginfo info;

        if (read(signal_fd, &info, sizeof(info)) == sizeof(info))
                (void) pidfd_send_signal(pidfd, (int) info.ssi_signo, NULL, 0);
}

int foreground_attend(int pidfd) {
        _cleanup_close_ int signal_fd = -EBADF;
        siginfo_t info = {};
        sigset_t set;

        make_set(ARRAY_LEN(signals), &set);
        signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signal_fd < 0)
                return EXIT_BERTH;
        for (;;) {
                struct pollfd fds[] = {
                        { .fd = pidfd, .events = POLLIN },
                        { .fd = signal_fd, .events = POLLIN },
                };

                if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
                        return EXIT_BERTH;
                if (fds[0].revents != 0)
                        break;
                if (fds[1].revents != 0)
                        pass_on(signal_fd, pidfd);
        }
        if (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0)
                return EXIT_BERTH;
        return info.si_code == CLD_EXITED ? info.si_status : EXIT_SIGNAL_BASE + info.si_status;
}
