/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/hook.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
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

/* Waits for the end of pid, or until it has taken too long. */
static bool is_in_time(int pidfd, int signal_fd) {
        struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };
        struct signalfd_siginfo info;
        int r;

        do
                r = poll(fds, ARRAY_LEN(fds), HOOK_SECONDS * 1000);
        while (r < 0 && errno == EINTR);
        if (fds[1].revents != 0 && read(signal_fd, &info, sizeof(info)) < 0)
                return false;
        return r > 0 && fds[0].revents != 0;
}

/* The group is what it leads, by its setsid(). term: SIGTERM, by which systemd says that it waits no longer, and would
 * leave a hook behind. */
static int await(pid_t pid, const char *program, const sigset_t *term) {
        _cleanup_close_ int pidfd = pidfd_open(pid, 0), signal_fd = signalfd(-1, term, SFD_CLOEXEC);
        siginfo_t info = {};
        bool late = false;

        if (pidfd < 0)
                return log_error_errno(errno, "cannot wait for the hook '%s': %m", program), EXIT_BERTH;
        if (!is_in_time(pidfd, signal_fd)) {
                late = true;
                (void) kill(-pid, SIGKILL);
                (void) pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
        }
        while (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "cannot wait for the hook '%s': %m", program),
                               EXIT_BERTH;
        if (late) {
                log_error("the hook '%s' took more than %d seconds, or than TimeoutStopSec=, and was killed",
                          program, HOOK_SECONDS);
                return EXIT_TIMED_OUT;
        }
        if (info.si_code != CLD_EXITED) {
                log_error("the hook '%s' was killed by signal %d", program, info.si_status);
                return EXIT_SIGNAL_BASE + info.si_status;
        }
        if (info.si_status != 0)
                log_error("the hook '%s' failed with exit status %d%s", program, info.si_status,
                          info.si_status == EXIT_BERTH ? ", which is kept as 1" : "");
        return info.si_status == EXIT_BERTH ? EXIT_FAILED : info.si_status;
}

int hook_run(char *const argv[], const State *state, const char *unit, const char *error) {
        _cleanup_strv_ char **env = NULL;
        sigset_t term, before;
        pid_t pid;
        int r;

        if (make_env(state, unit, error, &env) < 0)
                return log_oom(), EXIT_BERTH;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &term, &before);
        pid = fork();
        if (pid == 0) {
                char *nothing[] = { NULL };

                r = log_error_errno(become(argv, env ? env : nothing), "cannot execute the hook '%s': %m",
                                    argv[0]);
                _exit(r == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
        }
        if (pid < 0) {
                log_error_errno(errno, "cannot run the hook '%s': %m", argv[0]);
                r = EXIT_BERTH;
        } else
                r = await(pid, argv[0], &term);
        (void) sigprocmask(SIG_SETMASK, &before, NULL);
        return r;
}
