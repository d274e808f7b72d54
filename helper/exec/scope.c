/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/scope.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/cgroup.h"

#define RELEASE "r"

void scope_done(Scope *scope) {
        scope->hold_fd = close_fd(scope->hold_fd);
        scope->group_fd = close_fd(scope->group_fd);
}

/* Ends the scope, if this process was moved into it: before that it is in its caller's group. */
static void end_scope(const char *unit) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (cgroup_self(&path) < 0 || !endswith(path, unit))
                return;
        fd = cgroup_open(path);
        if (fd >= 0)
                (void) write_string_at(fd, "cgroup.kill", "1");
}

/* The keeper's life. An OOM kill of all that is in the scope leaves it out, or nobody could tell of that; systemd's TERM
 * ends it. */
static _Noreturn void keep(const char *unit, int fd) {
        sigset_t none;
        char byte;
        ssize_t n;

        (void) setsid();
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) prctl(PR_SET_NAME, "berth-scope", 0, 0, 0);
        (void) write_string_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
        /* nothing of the caller's, above all no pipe whose end somebody waits for */
        if (dup2(fd, STDIN_FILENO) < 0 || syscall(SYS_close_range, 1, ~0U, 0) < 0)
                _exit(EXIT_BERTH);
        do
                n = read(STDIN_FILENO, &byte, 1);
        while (n < 0 && errno == EINTR);
        if (n != 1)
                end_scope(unit);
        _exit(EXIT_DONE);
}

static int start_keeper(Scope *scope, pid_t *ret) {
        _cleanup_close_ int read_fd = -EBADF;
        int fds[2];
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        read_fd = fds[0];
        scope->hold_fd = fds[1];
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot make a process: %m");
        if (pid == 0) {
                close_fd(scope->hold_fd);
                keep(scope->unit, read_fd);
        }
        *ret = pid;
        return 0;
}

static int make_words(const ScopePlan *plan, const char *unit, pid_t keeper, char ***words) {
        int r = strv_append(words, "berth-manage");

        if (r >= 0)
                r = strv_append(words, "scope-start");
        if (r >= 0)
                r = strv_appendf(words, "--name=%s", plan->enter->state.name);
        if (r >= 0)
                r = strv_appendf(words, "--unit=%s", unit);
        if (r >= 0)
                r = strv_appendf(words, "--pid=%d", keeper);
        for (char *const *property = plan->properties; r >= 0 && property && *property; property++)
                r = strv_appendf(words, "--property=%s", *property);
        if (r >= 0)
                r = strv_append(words, "--");
        for (char *const *word = plan->command; r >= 0 && *word; word++)
                r = strv_append(words, *word);
        return r;
}

static _Noreturn void execute(char *const *words, pid_t parent) {
        sigset_t none;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) >= 0 && getppid() == parent)
                (void) execv(BERTH_LIBEXECDIR "/berth-manage", words);
        (void) log_error_errno(errno, "cannot execute %s, which --scope needs: %m",
                               BERTH_LIBEXECDIR "/berth-manage");
        _exit(EXIT_BERTH);
}

/* Has a signal come to end by? */
static bool asked_to_end(int signal_fd) {
        struct signalfd_siginfo info;

        while (read(signal_fd, &info, sizeof(info)) == sizeof(info))
                if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGINT || info.ssi_signo == SIGQUIT ||
                    info.ssi_signo == SIGTERM)
                        return true;
        return false;
}

/* Waits for the end of the child; a signal ends it. Returns its exit status. */
static int attend_start(pid_t pid, int signal_fd) {
        _cleanup_close_ int pidfd = pidfd_open(pid, 0);
        bool ended = false;
        siginfo_t info = {};

        while (pidfd >= 0 && !ended) {
                struct pollfd set[] = { { .fd = pidfd, .events = POLLIN },
                                        { .fd = signal_fd, .events = POLLIN } };

                if (poll(set, ARRAY_LEN(set), -1) < 0 && errno != EINTR)
                        break;
                ended = set[0].revents;
                if (set[1].revents && asked_to_end(signal_fd)) {
                        log_error("asked to end before systemd had started the scope");
                        (void) pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
                        break;
                }
        }
        while (waitid(P_PID, (id_t) pid, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return EXIT_BERTH;
        return info.si_code == CLD_EXITED ? info.si_status : EXIT_BERTH;
}

/* Asks systemd. What is wrong is said by the program that asks. */
static int ask(const ScopePlan *plan, const char *unit, pid_t keeper) {
        _cleanup_strv_ char **words = NULL;
        pid_t pid, parent = getpid();

        if (make_words(plan, unit, keeper, &words) < 0)
                return log_oom();
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot make a process: %m");
        if (pid == 0)
                execute(words, parent);
        return attend_start(pid, plan->signal_fd) == EXIT_DONE ? 0 : -ECANCELED;
}

/* Where the keeper is now. */
static int open_group(const char *unit, pid_t keeper) {
        _cleanup_free_ char *path = NULL;
        int r = cgroup_of(keeper, &path);

        if (r >= 0 && !endswith(path, unit))
                r = -ESTALE;
        return r < 0 ? r : cgroup_open(path);
}

int scope_start(const ScopePlan *plan, Scope *ret) {
        _cleanup_(scope_done) Scope scope = SCOPE_NONE;
        uint32_t number;
        pid_t keeper = 0;
        int r;

        if (!plan->enter->state.unit)
                return log_error_errno(ENOTSUP,
                                       "container '%s' is not of a unit, so that no scope can be beside it",
                                       plan->enter->state.name);
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return log_error_errno(errno, "cannot get random bytes: %m");
        scope_unit(plan->enter->state.name, number, scope.unit);
        r = start_keeper(&scope, &keeper);
        if (r >= 0)
                r = ask(plan, scope.unit, keeper);
        if (r < 0)
                return r;
        scope.group_fd = r = open_group(scope.unit, keeper);
        if (r < 0)
                return log_error_errno(r, "'%s' has ended before anything ran in it", scope.unit);
        /* One process that is killed for want of memory would leave a command that is half there. */
        (void) write_string_at(scope.group_fd, "memory.oom.group", "1");
        *ret = scope;
        scope = SCOPE_NONE;
        return 0;
}

void scope_release(int hold_fd) {
        (void) write_fd(hold_fd, RELEASE, strlen(RELEASE));
}

void scope_tell(const Figures *figures, const char *container) {
        if (figures->oom_kills != FIGURE_NONE && figures->oom_kills > 0)
                log_error("the command in container '%s' was killed: it ran out of memory", container);
}
