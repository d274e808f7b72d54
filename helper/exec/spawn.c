/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/contract.h"
#include "common/log.h"
#include "helper/container/command.h"

#define ERROR_FD 3

typedef enum Stage {
        STAGE_JOIN, /* logged */
        STAGE_NAMESPACE,
        STAGE_APPARMOR,
        STAGE_STDIO,
        STAGE_SESSION,
        STAGE_KEYRING,
        STAGE_CONFINE,
        STAGE_DIRECTORY,
        STAGE_EXEC,
        _STAGE_MAX,
} Stage;

typedef struct Report {
        Stage stage;
        int error;
} Report;

void process_done(Process *process) {
        process->pidfd = close_fd(process->pidfd);
}

/* 0, 1, 2 and the error pipe as 3; all else is closed here, not only at exec: a lost exec (a program on a file system
 * that hangs) must hold neither the guard's pipe nor anything of the host. */
static int arrange_descriptors(const Stdio *stdio, int extra_fd, int error_fd) {
        for (int i = 0; i < 3; i++)
                if (stdio->inside[i] != i && dup2(stdio->inside[i], i) < 0)
                        return -errno;
        if (error_fd != ERROR_FD && dup3(error_fd, ERROR_FD, O_CLOEXEC) < 0)
                return -errno;
        if (extra_fd <= 0)
                return syscall(SYS_close_range, ERROR_FD + 1, ~0U, 0) < 0 ? -errno : 0;
        if (dup2(extra_fd, SPAWN_EXTRA_FD) < 0 ||
            syscall(SYS_close_range, ERROR_FD + 1, SPAWN_EXTRA_FD - 1, 0) < 0 ||
            syscall(SYS_close_range, SPAWN_EXTRA_FD + 1, ~0U, 0) < 0)
                return -errno;
        return 0;
}

/* A session of its own: no controlling terminal, or the inner one. */
static int begin_session(bool tty) {
        if (setsid() < 0)
                return -errno;
        return tty && ioctl(0, TIOCSCTTY, 0) < 0 ? -errno : 0;
}

int spawn_prepare(const Spawn *spawn) {
        struct sigaction action = { .sa_handler = SIG_DFL };

        /* What is ignored stays so across exec(2); nohup(1) and shells ignore for their own children, not for these. */
        for (int signal = 1; signal < NSIG; signal++)
                (void) sigaction(signal, &action, NULL); /* EINVAL: KILL, STOP, and libc's own */
        return spawn->confinement->bounded ? confine_bounding(spawn->confinement->capabilities) : 0;
}

static int unblock_signals(void) {
        sigset_t none;

        sigemptyset(&none);
        return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int change_directory(const Spawn *spawn) {
        int r = command_chdir(spawn->directory);

        return r < 0 && spawn->directory_optional ? command_chdir("/") : r;
}

/* Everything between clone and exec; returns only on failure. The user's rights come before the directory and the
 * program: both are looked up as him. */
static Report become(const Spawn *spawn, int error_fd) {
        int r;

        if (spawn->enter->state.host_pids && enter_join(spawn->enter) < 0)
                return (Report){ STAGE_JOIN, -ECANCELED };
        r = enter_join_cgroup_namespace(spawn->enter);
        if (r < 0)
                return (Report){ STAGE_NAMESPACE, r };
        r = confine_apparmor(spawn->enter->proc_fd, spawn->enter->state.apparmor);
        if (r < 0)
                return (Report){ STAGE_APPARMOR, r };
        r = arrange_descriptors(spawn->stdio, spawn->extra_fd, error_fd);
        if (r < 0)
                return (Report){ STAGE_STDIO, r };
        r = begin_session(spawn->stdio->tty);
        if (r >= 0)
                r = unblock_signals();
        if (r < 0)
                return (Report){ STAGE_SESSION, r };
        (void) umask((mode_t) spawn->enter->state.umask); /* the caller's is not the container's business */
        r = confine_keyring();
        if (r < 0)
                return (Report){ STAGE_KEYRING, r };
        r = confine_apply(spawn->confinement);
        if (r < 0)
                return (Report){ STAGE_CONFINE, r };
        r = change_directory(spawn);
        if (r < 0)
                return (Report){ STAGE_DIRECTORY, r };
        r = confine_seal(spawn->confinement);
        if (r < 0)
                return (Report){ STAGE_CONFINE, r };
        if (spawn->file) {
                (void) execve(spawn->file, spawn->argv, spawn->env);
                r = -errno;
        } else
                r = command_exec(spawn->argv, spawn->env);
        return (Report){ STAGE_EXEC, r };
}

int spawn_log_failure(const Enter *enter, int error) {
        const char *name = enter->state.name;

        switch (abs(error)) {
        case EAGAIN:
                return log_error_errno(error,
                                       "container '%s' has as many tasks as its unit may have (Tasks=)",
                                       name);
        case ENOMEM: /* clone(2): also where the pid namespace's init is gone */
                return log_error_errno(error,
                                       "cannot start a process in container '%s', which may be ending: %m",
                                       name);
        default:
                return log_error_errno(error, "cannot start a process in container '%s': %m", name);
        }
}

int spawn_start(const Spawn *spawn, int error_fd, Process *ret) {
        int pidfd;
        pid_t pid;

        pid = enter_clone(spawn->enter->group_fd, spawn->enter->cgroup, spawn->enter->cgroup_fd, SIGCHLD,
                          &pidfd);
        if (pid == 0) {
                Report report = become(spawn, error_fd);

                /* Short of STAGE_STDIO the pipe may still be where it was; either number reaches it. */
                (void) !write(report.stage <= STAGE_STDIO ? error_fd : ERROR_FD, &report, sizeof(report));
                _exit(EXIT_BERTH);
        }
        if (pid < 0)
                return spawn_log_failure(spawn->enter, pid);
        *ret = (Process){ .pid = pid, .pidfd = pidfd };
        return 0;
}

int spawn_result(const Spawn *spawn, int error_fd, Failure *ret) {
        static const struct {
                const char *word, *text;
        } stages[_STAGE_MAX] = {
                [STAGE_JOIN] = { "start", NULL },
                [STAGE_NAMESPACE] = { "namespace", "join the cgroup namespace" },
                [STAGE_APPARMOR] = { "apparmor", "enter the AppArmor profile" },
                [STAGE_STDIO] = { "streams", "set up standard input and output" },
                [STAGE_SESSION] = { "session", "begin a session" },
                [STAGE_KEYRING] = { "keyring", "leave the caller's keyring" },
                [STAGE_CONFINE] = { "confine", "take the user's rights" },
                [STAGE_DIRECTORY] = { "directory", NULL },
                [STAGE_EXEC] = { "exec", NULL },
        };
        Report report;
        ssize_t n;

        do
                n = read(error_fd, &report, sizeof(report));
        while (n < 0 && errno == EINTR);
        if (n == 0)
                return 0;
        if (n != sizeof(report) || report.stage < 0 || report.stage >= _STAGE_MAX) {
                log_error("cannot start the command: its process failed in an unknown way");
                *ret = (Failure){ .stage = "start" };
                return EXIT_BERTH;
        }
        *ret = (Failure){ .stage = stages[report.stage].word, .error = report.error };
        switch (report.stage) {
        case STAGE_JOIN:
                return EXIT_BERTH;
        case STAGE_EXEC:
                (void) log_error_errno(report.error, "cannot execute '%s' in container '%s': %m",
                                       spawn->file ? spawn->file : spawn->argv[0], spawn->enter->state.name);
                return command_exit_status(report.error);
        case STAGE_DIRECTORY:
                (void) log_error_errno(report.error, "cannot change to directory '%s' in container '%s': %m",
                                       spawn->directory, spawn->enter->state.name);
                return EXIT_BERTH;
        case STAGE_APPARMOR:
                (void) log_error_errno(
                                report.error,
                                "cannot enter the AppArmor profile '%s' of container '%s': %m; is it loaded?",
                                spawn->enter->state.apparmor, spawn->enter->state.name);
                return EXIT_BERTH;
        case STAGE_NAMESPACE:
        case STAGE_STDIO:
        case STAGE_SESSION:
        case STAGE_KEYRING:
        case STAGE_CONFINE:
        case _STAGE_MAX:
        default:
                (void) log_error_errno(report.error, "cannot %s in container '%s': %m",
                                       stages[report.stage].text, spawn->enter->state.name);
                return EXIT_BERTH;
        }
}
