/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

#include "common/log.h"
#include "helper/container/command.h"

/* For builds with sanitizers alone: their runtime reads /proc and ptraces itself at the end, and is told of leaks
 * in the child only where the child ends as other processes do. What is installed is sandbox.c. */

pid_t sandbox_fork(int *ret_pidfd) {
        pid_t pid = command_fork();

        if (pid <= 0)
                return pid;
        *ret_pidfd = pidfd_open(pid, 0);
        return *ret_pidfd < 0 ? -errno : pid;
}

int sandbox_enter(const int *keep_fds _unused_, size_t n _unused_) {
        return 0;
}

void sandbox_exit(int status) {
        exit(status);
}

int sandbox_open_directory(int dir_fd, const char *name, bool read_only _unused_) {
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? log_error_errno(errno, "'%s': cannot be opened: %m", name) : fd;
}
