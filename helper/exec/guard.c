/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "helper/container/command.h"
#include "helper/container/enter.h"
#include "helper/exec/ending.h"

void guard_done(Guard *guard) {
        guard->order_fd = close_fd(guard->order_fd);
        guard->report_fd = close_fd(guard->report_fd);
        guard->error_fd = close_fd(guard->error_fd);
}

typedef struct Order {
        char order; /* GuardOrder */
        unsigned char signal;
} Order;

/* The guard's own descriptors, by fixed numbers: all others are closed. Nothing of the client's is among them, as a
 * pipe kept open here would never end for its reader. */
enum { ORDER_FD, REPORT_FD, GROUP_FD, PROC_FD, COMMAND_FD, HOLD_FD, _FDS };

typedef struct Watch {
        const char *cgroup;
        pid_t pid;            /* the command's, until it is reaped */
        uint64_t deadline_ms; /* UINT64_MAX: none */
        GuardReport report;
} Watch;

static void reap(Watch *watch, int flags) {
        siginfo_t info = {};

        while (waitid(P_PIDFD, COMMAND_FD, &info, WEXITED | flags) < 0)
                if (errno != EINTR)
                        return;
        if (info.si_pid == 0)
                return; /* WNOHANG: it lives, which is reported otherwise */
        watch->report.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
        watch->report.status =
                        watch->report.signal == 0 ? info.si_status : EXIT_SIGNAL_BASE + info.si_status;
        watch->pid = 0;
}

/* To the whole process group, as a terminal would; before it has a group, to the process. Its number is its own as
 * long as we have not reaped it. */
static void pass_on(const Watch *watch, int signal) {
        if (signal > 0 && watch->pid > 0 && kill(-watch->pid, signal) < 0)
                (void) pidfd_send_signal(COMMAND_FD, signal, NULL, 0);
}

static void end_all(Watch *watch) {
        watch->report.left = ending_run(GROUP_FD, PROC_FD, watch->cgroup) < 0;
        reap(watch, WNOHANG);
}

/* Returns false when there is nothing more to wait for. */
static bool obey(Watch *watch, const Order *order) {
        pass_on(watch, order->signal);
        switch ((GuardOrder) order->order) {
        case GUARD_GO:
        case GUARD_PASS_ON:
                return true;
        case GUARD_INTERRUPT:
                (void) ending_wait(GROUP_FD, watch->cgroup, ENDING_GRACE_MS);
                break;
        case GUARD_HANG_UP:
                break;
        }
        end_all(watch);
        return false;
}

/* Waits for an order, the clock, the end of the client or of the command, whichever is first. */
static void watch_command(Watch *watch) {
        for (;;) {
                struct pollfd set[] = {
                        { .fd = COMMAND_FD, .events = POLLIN },
                        { .fd = ORDER_FD, .events = POLLIN },
                };
                bool timed = watch->deadline_ms != UINT64_MAX;
                uint64_t now = timed ? monotonic_ms() : 0;
                int left = timed ? (int) MIN(watch->deadline_ms - MIN(now, watch->deadline_ms), 86400000U)
                                 : -1;
                Order order;
                ssize_t n;

                if (poll(set, ARRAY_LEN(set), left) == 0) {
                        if (monotonic_ms() < watch->deadline_ms)
                                continue;
                        watch->report.timed_out = true;
                        end_all(watch);
                        return;
                }
                /* Orders first: that the client is gone must not be lost because the command is, too. */
                if (!set[1].revents) {
                        reap(watch, 0);
                        return;
                }
                n = read(ORDER_FD, &order, sizeof(order));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n != sizeof(order)) {
                        end_all(watch);
                        return;
                }
                if (!obey(watch, &order))
                        return;
        }
}

/* Moves fds[i] to number i, and closes all else. The last of them is there only with a scope. */
static int arrange_descriptors(int fds[static _FDS]) {
        int n = fds[HOLD_FD] < 0 ? HOLD_FD : _FDS;

        for (int i = 0; i < n; i++) {
                /* Out of the way first: a number below _FDS may be needed for another. */
                if (fds[i] < _FDS)
                        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, _FDS);
                if (fds[i] < 0)
                        return -errno;
        }
        for (int i = 0; i < n; i++)
                if (dup3(fds[i], i, O_CLOEXEC) < 0)
                        return -errno;
        return syscall(SYS_close_range, n, ~0U, 0) < 0 ? -errno : 0;
}

/* Is there a cgroup for the command? Else the client has ended. */
static bool may_go(int order_fd) {
        Order order;
        ssize_t n;

        do
                n = read(order_fd, &order, sizeof(order));
        while (n < 0 && errno == EINTR);
        return n == sizeof(order) && order.order == GUARD_GO;
}

/* Joins the container and starts the command in it. What fails here is told to the user at once: standard error is
 * still the client's. */
static int begin(const Spawn *spawn, int order_fd, int error_fd, Process *process) {
        sigset_t all;
        int r;

        sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        if (setsid() < 0) /* the terminal's signals are not for us */
                return log_error_errno(errno, "cannot begin a session for the guard: %m");
        /* The command is shown as we are until it executes, to all in the container: the caller's variables and files are his. */
        command_rename(spawn->own_argv, "berth-guard");
        /* In the host's pid namespace the container sees us, and could stop us if we had its users: then the command joins
         * it by itself. */
        r = spawn->enter->state.host_pids ? 0 : enter_join(spawn->enter);
        if (r < 0)
                return r;
        r = spawn_prepare(spawn);
        if (r < 0)
                return log_error_errno(r, "cannot drop capabilities: %m");
        return may_go(order_fd) ? spawn_start(spawn, error_fd, process) : -ECANCELED;
}

/* Until Linux 6.10 a task that was refused counts where it was, since then where the limit is (pids.events): at the
 * unit, and whoever else is in it may have been refused too. A scope is the command's alone, and counted as a whole. */
static void count(Watch *watch, const GuardTask *task, uint64_t refused_before) {
        Figures *figures = &watch->report.figures;
        _cleanup_close_ int fd = openat(GROUP_FD, task->scope ? "." : watch->cgroup,
                                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t refused = figures_pids_refused(GROUP_FD);

        if (fd < 0)
                return;
        figures_read(fd, figures);
        if (figures->pids_refused == 0 && refused != FIGURE_NONE && refused_before != FIGURE_NONE)
                figures->pids_refused = refused - refused_before;
}

/* The guard's life, from the clone on. */
static void run(const Spawn *spawn, const GuardTask *task, int order_fd, int report_fd, int error_fd) {
        _cleanup_process_ Process process = PROCESS_NONE;
        Watch watch = { .cgroup = spawn->enter->cgroup, .deadline_ms = UINT64_MAX };
        int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), r;
        int fds[_FDS] = { order_fd, report_fd, spawn->enter->group_fd, proc_fd };
        uint64_t refused = task->count ? figures_pids_refused(spawn->enter->group_fd) : FIGURE_NONE;

        watch.report.figures = FIGURES_NONE;
        r = proc_fd < 0 ? log_error_errno(errno, "cannot open /proc: %m")
                        : begin(spawn, order_fd, error_fd, &process);
        if (r < 0) {
                watch.report.error = r;
                (void) write_fd(report_fd, &watch.report, sizeof(watch.report));
                (void) unlinkat(spawn->enter->group_fd, watch.cgroup, AT_REMOVEDIR);
                return;
        }
        fds[COMMAND_FD] = TAKE_FD(process.pidfd);
        fds[HOLD_FD] = task->scope ? task->scope->hold_fd : -EBADF;
        watch.pid = process.pid;
        watch.report.started = true;
        if (task->timeout_usec > 0)
                watch.deadline_ms = monotonic_ms() + MAX(task->timeout_usec / 1000, UINT64_C(1));
        if (arrange_descriptors(fds) < 0)
                return; /* and the client ends it all */
        watch_command(&watch);
        if (task->count)
                count(&watch, task, refused);
        (void) write_fd(REPORT_FD, &watch.report, sizeof(watch.report));
        /* With somebody left in it it stays, for a later sweep or the end of the unit. */
        (void) unlinkat(GROUP_FD, watch.cgroup, AT_REMOVEDIR);
        enter_sweep(GROUP_FD);
        if (task->scope)
                scope_release(HOLD_FD);
}

static int make_pipe(int *ret_read, int *ret_write) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        *ret_read = fds[0];
        *ret_write = fds[1];
        return 0;
}

int guard_start(const Spawn *spawn, const GuardTask *task, Guard *ret) {
        _cleanup_close_ int order_fd = -EBADF, report_fd = -EBADF, error_fd = -EBADF;
        _cleanup_guard_ Guard guard = GUARD_NONE;
        pid_t pid;
        int r;

        r = make_pipe(&order_fd, &guard.order_fd);
        if (r >= 0)
                r = make_pipe(&guard.report_fd, &report_fd);
        if (r >= 0)
                r = make_pipe(&guard.error_fd, &error_fd);
        if (r < 0)
                return r;
        pid = enter_clone(spawn->enter->unit_fd, ENTER_GUARD, -EBADF, 0, NULL);
        if (pid == 0) {
                guard_done(&guard); /* above all the client's end of the orders */
                run(spawn, task, order_fd, report_fd, error_fd);
                _exit(EXIT_DONE);
        }
        if (pid < 0)
                return spawn_log_failure(spawn->enter, pid);
        guard.pid = pid;
        *ret = guard;
        guard = GUARD_NONE;
        return 0;
}

/* Its number is its own: it is our child, and not reaped. */
void guard_kill(const Guard *guard) {
        (void) kill(guard->pid, SIGKILL);
}

void guard_order(const Guard *guard, GuardOrder order, int signal) {
        Order message = { .order = (char) order, .signal = (unsigned char) signal };

        (void) write_fd(guard->order_fd, &message, sizeof(message));
}

int guard_read_report(const Guard *guard, GuardReport *ret) {
        ssize_t n;

        do
                n = read(guard->report_fd, ret, sizeof(*ret));
        while (n < 0 && errno == EINTR);
        return n == sizeof(*ret) ? 0 : -ECHILD;
}
