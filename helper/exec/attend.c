/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/attend.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "common/contract.h"
#include "common/log.h"
#include "helper/exec/ending.h"

int attend_open_signals(void) {
        static const int signals[] = { SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM, SIGUSR1,
                                       SIGUSR2, SIGCONT, SIGWINCH, SIGPIPE };
        struct sigaction action = { .sa_handler = SIG_DFL };
        sigset_t set;
        int fd;

        sigemptyset(&set);
        for (size_t i = 0; i < ARRAY_LEN(signals); i++)
                sigaddset(&set, signals[i]);
        /* Were SIGCHLD ignored, as some callers leave it, the kernel would reap the guard's command, status and
         * all: ignoring is inherited. */
        if (sigaction(SIGCHLD, &action, NULL) < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return log_error_errno(errno, "cannot set up signals: %m");
        sigdelset(&set, SIGPIPE); /* write(2) says it better */
        fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? log_error_errno(errno, "cannot set up signals: %m") : fd;
}

typedef struct Progress {
        bool ending; /* the guard was told to end everything */
        int failure; /* exit status where the command does not execute, logged */
} Progress;

static void order_end(Attend *attend, Progress *progress, GuardOrder order, int signal) {
        guard_order(attend->guard, progress->ending ? GUARD_PASS_ON : order, signal);
        progress->ending = true;
}

static void handle_signals(Attend *attend, Progress *progress) {
        struct signalfd_siginfo info;

        while (read(attend->signal_fd, &info, sizeof(info)) == sizeof(info)) {
                int signal = (int) info.ssi_signo;

                switch (signal) {
                case SIGCONT: /* the shell has reset the terminal meanwhile */
                        (void) terminal_make_raw(&attend->stdio->terminal);
                        stdio_resize(attend->stdio);
                        break;
                case SIGWINCH:
                        stdio_resize(attend->stdio);
                        break;
                case SIGUSR1:
                case SIGUSR2:
                        guard_order(attend->guard, GUARD_PASS_ON, signal);
                        break;
                case SIGTERM:
                        order_end(attend, progress, GUARD_HANG_UP, signal);
                        break;
                default: /* HUP, INT, QUIT */
                        order_end(attend, progress, GUARD_INTERRUPT, signal);
                }
        }
}

/* One round; 1 when all has ended. */
static int attend_once(Attend *attend, Progress *progress) {
        enum { REPORT, SIGNALS, STREAMS };
        struct pollfd set[STREAMS + 2 * RELAY_STREAMS + COLLECT_POLL] = {
                [REPORT] = { .fd = attend->guard->report_fd, .events = POLLIN },
                [SIGNALS] = { .fd = attend->signal_fd, .events = POLLIN },
        };
        size_t n = relay_prepare(&attend->stdio->relay, set + STREAMS);
        size_t m = attend->collect ? collect_prepare(attend->collect, set + STREAMS + n) : 0;

        if (poll(set, STREAMS + n + m, -1) < 0)
                return errno == EINTR ? 0 : log_error_errno(errno, "cannot wait for the command: %m");
        if (set[SIGNALS].revents)
                handle_signals(attend, progress);
        relay_run(&attend->stdio->relay, set + STREAMS, n);
        if (attend->collect)
                collect_run(attend->collect, set + STREAMS + n, m);
        if ((attend->stdio->relay.hung_up || (attend->collect && attend->collect->lost)) &&
            !progress->ending)
                /* HUP: an interactive shell saves its history, and heeds no TERM */
                order_end(attend, progress, GUARD_INTERRUPT, SIGHUP);
        if (!set[REPORT].revents)
                return 0;
        return guard_read_report(attend->guard, &attend->report) < 0 ? -ECHILD : 1;
}

/* The guard was killed, and nobody else would end what it has started. */
static void replace_guard(const Attend *attend) {
        const Enter *enter = attend->spawn->enter;
        _cleanup_close_ int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

        log_error("the guard of the command in container '%s' was killed; ending the command",
                  enter->state.name);
        (void) ending_run(enter->group_fd, proc_fd, enter->cgroup);
        (void) unlinkat(enter->group_fd, enter->cgroup, AT_REMOVEDIR);
}

static int exit_status(const Attend *attend, const Progress *progress) {
        const GuardReport *report = &attend->report;

        if (!report->started)
                return EXIT_BERTH; /* logged by the guard */
        if (report->left)
                log_warning("processes of the command in container '%s' did not end even on KILL",
                            attend->spawn->enter->state.name);
        if (progress->failure > 0)
                return progress->failure;
        /* A terminal that was hung up is no loss, and has ended the command. */
        if (attend->stdio->relay.error < 0 && !attend->stdio->tty) {
                (void) log_error_errno(attend->stdio->relay.error,
                                       "cannot write what the command in container '%s' has written: %m",
                                       attend->spawn->enter->state.name);
                return EXIT_BERTH;
        }
        return report->timed_out ? EXIT_TIMED_OUT : report->status;
}

int attend_run(Attend *attend) {
        Progress progress = {};
        int r;

        do
                r = attend_once(attend, &progress);
        while (r == 0);
        if (r == -ECHILD)
                replace_guard(attend);
        if (r < 0) {
                attend->failure = (Failure){ .stage = "guard", .error = r };
                return EXIT_BERTH; /* the guard ends it all when we are gone */
        }
        if (!attend->report.started)
                attend->failure = (Failure){ .stage = "start", .error = attend->report.error };
        /* Nobody holds its other end any more. Not earlier: a command that cannot be executed ends, and waiting here
         * for those that can would mean to be woken by each. */
        if (attend->report.started && !attend->report.left)
                progress.failure = spawn_result(attend->spawn, attend->guard->error_fd, &attend->failure);
        relay_drain(&attend->stdio->relay, attend->signal_fd);
        if (attend->collect)
                collect_drain(attend->collect, attend->signal_fd);
        terminal_restore(&attend->stdio->terminal);
        return exit_status(attend, &progress);
}
