/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/image-fetch.h"

#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/log.h"
#include "helper/container/command.h"
#include "helper/storage/child.h"
#include "helper/text/printable.h"

static int run_skopeo(const char *source, const char *target) {
        const char *argv[8] = { "skopeo", "copy", "--override-os=linux" };
        size_t n = 3;

        if (isatty(STDERR_FILENO) != 1)
                argv[n++] = "--quiet";
        argv[n++] = "--";
        argv[n++] = source;
        argv[n++] = target;
        child_reset_signals();
        /* its messages are messages, and standard output may be JSON */
        if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
                return EXIT_FAILED;
        return command_exit_status(command_exec((char *const *) (uintptr_t) argv, environ));
}

int image_fetch(const char *source, const char *target, int signal_fd) {
        _cleanup_close_ int pidfd = -EBADF;
        pid_t pid;
        int status;

        pid = command_fork();
        if (pid < 0)
                return log_error_errno(pid, "cannot make a process: %m");
        if (pid == 0)
                _exit(run_skopeo(source, target));
        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0)
                return log_error_errno(errno, "cannot watch a process: %m");
        status = child_wait(pidfd, signal_fd);
        if (status < 0)
                return status;
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND)
                return log_error_errno(
                                ENOENT,
                                "%s: fetching it takes skopeo, which is not installed (package skopeo)",
                                shown(source).text);
        if (status != 0)
                return log_error_errno(EIO, "%s: skopeo could not fetch it", shown(source).text);
        return 0;
}
