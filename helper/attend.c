/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/attend.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/log.h"

int attend_open_signals(void) {
        static const int signals[] = { SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM, SIGUSR1,
                                       SIGUSR2, SIGCONT, SIGWINCH, SIGPIPE };
        struct sigaction action = { .sa_handler = SIG_DFL };
        sigset_t set;
        int fd;

        sigemptyset(&set);
        for (size_t i = 0; i < ARRAY_LEN(signals); i++)
                sigaddset(&set, signals[i]);
        /* Were SIGCHLD ignored, as some callers leave it, the kernel would reap the command and its status. */
        if (sigaction(SIGCHLD, &action, NULL) < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return log_error_errno(errno, "cannot set up signals: %m");
        sigdelset(&set, SIGPIPE); /* write(2) says it better */
        fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? log_error_errno(errno, "cannot set up signals: %m") : fd;
}

typedef struct Progress {
        bool executes;   /* the command, that is */
        bool ending;     /* the guard was told to end everything */
        bool guard_gone; /* it ended before the command did: the clock, or somebody killed it */
        int failure;     /* exit status where it does not execute */
} Progress;

static void order_end(Attend *attend, Progress *progress, GuardOrder order) {
        if (progress->ending)
                return;
        progress->ending = true;
        (void) guard_order(attend->guard, order); /* a dead guard is noticed by its pidfd */
}

/* To the whole process group, as a terminal would; before it has a group, to the process. Its number is its own as
 * long as we have not reaped it. */
static void pass_on(const Process *process, int signal) {
        if (kill(-process->pid, signal) < 0)
                (void) pidfd_send_signal(process->pidfd, signal, NULL, 0);
}

static void handle_signals(Attend *attend, Progress *progress) {
        struct signalfd_siginfo info;

        while (read(attend->signal_fd, &info, sizeof(info)) == sizeof(info))
                switch ((int) info.ssi_signo) {
                case SIGWINCH:
                        stdio_resize(attend->stdio);
                        break;
                case SIGCONT: /* the shell has reset the terminal meanwhile */
                        (void) terminal_make_raw(&attend->stdio->terminal);
                        stdio_resize(attend->stdio);
                        break;
                case SIGUSR1:
                case SIGUSR2:
                        pass_on(attend->process, (int) info.ssi_signo);
                        break;
                default: /* HUP, INT, QUIT, TERM */
                        pass_on(attend->process, (int) info.ssi_signo);
                        order_end(attend, progress,
                                  info.ssi_signo == SIGTERM ? GUARD_HANG_UP : GUARD_INTERRUPT);
                }
}

/* One round; 1 when the command has ended. */
static int attend_once(Attend *attend, Progress *progress) {
        enum { PROCESS, SIGNALS, GUARD, ERROR, STREAMS };
        struct pollfd set[STREAMS + 2 * RELAY_STREAMS] = {
                [PROCESS] = { .fd = attend->process->pidfd, .events = POLLIN },
                [SIGNALS] = { .fd = attend->signal_fd, .events = POLLIN },
                [GUARD] = { .fd = progress->guard_gone ? -1 : attend->guard->pidfd, .events = POLLIN },
                [ERROR] = { .fd = attend->process->error_fd, .events = POLLIN },
        };
        size_t n = relay_prepare(&attend->stdio->relay, set + STREAMS);

        if (poll(set, STREAMS + n, -1) < 0)
                return errno == EINTR ? 0 : log_error_errno(errno, "cannot wait for the command: %m");
        if (set[ERROR].revents) {
                progress->failure = spawn_result(attend->spawn, attend->process->error_fd);
                attend->process->error_fd = close_fd(attend->process->error_fd);
        }
        if (set[SIGNALS].revents)
                handle_signals(attend, progress);
        relay_run(&attend->stdio->relay, set + STREAMS, n);
        if (attend->stdio->relay.hung_up && !progress->ending) {
                pass_on(attend->process,
                        SIGHUP); /* an interactive shell saves its history, and heeds no TERM */
                order_end(attend, progress, GUARD_INTERRUPT);
        }
        if (set[GUARD].revents)
                progress->guard_gone = true;
        return set[PROCESS].revents && attend->process->error_fd < 0 ? 1 : 0;
}

static int reap(const Process *process) {
        siginfo_t info = {};

        while (waitid(P_PIDFD, (id_t) process->pidfd, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "cannot learn how the command ended: %m");
        return info.si_code == CLD_EXITED ? info.si_status : EXIT_SIGNAL_BASE + info.si_status;
}

/* Waits for the guard where it has, or may have, something to do. Returns the exit status. */
static int settle(Attend *attend, const Progress *progress, int status) {
        const Enter *enter = attend->spawn->enter;
        int r;

        if (!progress->ending)
                (void) guard_order(attend->guard, GUARD_FINISHED);
        if (!progress->ending && !progress->guard_gone && !attend->timed)
                return status; /* it sweeps by itself */
        r = guard_wait(attend->guard);
        if (r == -ECHILD) /* killed: its work is ours */
                r = progress->ending || attend->timed ? guard_end(enter->unit_fd, enter->cgroup) : 0;
        if (r < 0)
                log_warning_errno(r, "processes of the command in container '%s' did not end even on KILL",
                                  enter->state.name);
        return r == EXIT_TIMED_OUT ? EXIT_TIMED_OUT : status;
}

int attend_run(Attend *attend) {
        const Enter *enter = attend->spawn->enter;
        Progress progress = {};
        int r, status;

        (void) guard_order(attend->guard, GUARD_STARTED);
        do {
                bool had_guard = !progress.guard_gone;

                r = attend_once(attend, &progress);
                if (r < 0)
                        return EXIT_BERTH; /* the guard ends it all when we are gone */
                if (r == 0 && had_guard && progress.guard_gone) {
                        /* By the clock the command has been killed, and its end is next. A guard that was
                         * killed leaves nobody to see to that. */
                        r = guard_end(enter->unit_fd, enter->cgroup);
                        if (r < 0)
                                return EXIT_BERTH;
                }
        } while (r == 0);
        status = reap(attend->process);
        if (progress.failure > 0)
                status = progress.failure;
        relay_drain(&attend->stdio->relay, attend->signal_fd);
        terminal_restore(&attend->stdio->terminal);
        return settle(attend, &progress, status < 0 ? EXIT_BERTH : status);
}
