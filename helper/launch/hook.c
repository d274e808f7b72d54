/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/hook.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"

static int add(char ***env, const char *name, const char *value) {
        return value && *value ? strv_appendf(env, "%s=%s", name, value) : 0;
}

static int make_env(const State *state, const char *unit, const char *error, char ***ret) {
        int r;

        r = add(ret, "BERTH_NAME", state->name);
        if (r >= 0)
                r = add(ret, "BERTH_UNIT", unit);
        if (r >= 0 && state->pid > 0)
                r = strv_appendf(ret, "BERTH_PID=%d", state->pid);
        if (r >= 0)
                r = add(ret, "BERTH_IMAGE", state->image);
        if (r >= 0)
                r = add(ret, "BERTH_CGROUP", state->cgroup);
        return r < 0 ? r : add(ret, "BERTH_ERROR", error);
}

/* In the child. Returns only if it fails. */
static int become(char *const argv[], char *const env[]) {
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        sigset_t none;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        (void) setsid();
        umask(022);
        if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || chdir("/") < 0 ||
            syscall(SYS_close_range, 3, ~0U, 0) < 0)
                return -errno;
        execve(argv[0], argv, env);
        return -errno;
}

/* The group is what it leads, by its setsid(). */
static int await(pid_t pid, const char *program) {
        _cleanup_close_ int pidfd = pidfd_open(pid, 0);
        struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };
        siginfo_t info = {};
        bool late = false;
        int r;

        if (pidfd < 0)
                return log_error_errno(errno, "cannot wait for the hook '%s': %m", program);
        do
                r = poll(&pollfd, 1, HOOK_SECONDS * 1000);
        while (r < 0 && errno == EINTR);
        if (r <= 0) {
                late = true;
                (void) kill(-pid, SIGKILL);
                (void) pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
        }
        while (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "cannot wait for the hook '%s': %m", program);
        if (late)
                return log_error_errno(ETIME, "the hook '%s' took more than %d seconds and was killed",
                                       program, HOOK_SECONDS);
        if (info.si_code != CLD_EXITED)
                return log_error_errno(EIO, "the hook '%s' was killed by signal %d", program,
                                       info.si_status);
        return info.si_status == 0 ? 0
                                   : log_error_errno(EIO, "the hook '%s' failed with exit status %d",
                                                     program, info.si_status);
}

int hook_run(char *const argv[], const State *state, const char *unit, const char *error) {
        _cleanup_strv_ char **env = NULL;
        pid_t pid;

        if (make_env(state, unit, error, &env) < 0)
                return log_oom();
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot run the hook '%s': %m", argv[0]);
        if (pid == 0) {
                char *nothing[] = { NULL };

                (void) log_error_errno(become(argv, env ? env : nothing), "cannot execute the hook '%s': %m",
                                       argv[0]);
                _exit(EXIT_NOT_EXECUTABLE);
        }
        return await(pid, argv[0]);
}
