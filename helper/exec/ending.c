/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/ending.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

#include "common/fs.h"
#include "helper/container/cgroup.h"

#define PROCS_MAX (4 * 1024 * 1024)

/* Is the process of that pidfd, whose number may have been given away before it was opened, in cgroup name? */
static bool is_member(int proc_fd, pid_t pid, const char *name) {
        _cleanup_free_ char *text = NULL;
        char path[64], *rest, *line;

        snprintf(path, sizeof(path), "%d/cgroup", pid);
        if (read_file_at(proc_fd, path, 65536, &text, NULL) < 0)
                return false;
        for (rest = text; (line = strsep(&rest, "\n"));)
                if (startswith(line, "0::") && endswith(line, name))
                        return true;
        return false;
}

/* TERM to each member; CONT as well, or a stopped one would not act on it (as systemd does). */
static void terminate(int cgroup_fd, int proc_fd, const char *name) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;

        if (read_file_at(cgroup_fd, "cgroup.procs", PROCS_MAX, &text, NULL) < 0)
                return; /* KILL needs no list */
        for (rest = text; (line = strsep(&rest, "\n"));) {
                pid_t pid = (pid_t) strtol(line, NULL, 10); /* the kernel's own text */
                _cleanup_close_ int fd = -EBADF;

                if (pid <= 0)
                        continue;
                fd = pidfd_open(pid, 0);
                if (fd < 0 || !is_member(proc_fd, pid, name))
                        continue;
                (void) pidfd_send_signal(fd, SIGTERM, NULL, 0);
                (void) pidfd_send_signal(fd, SIGCONT, NULL, 0);
        }
}

static int open_group(int unit_fd, const char *name) {
        return openat(unit_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int ending_wait(int unit_fd, const char *name, uint64_t timeout_ms) {
        _cleanup_close_ int fd = open_group(unit_fd, name);

        return fd < 0 ? 1 : cgroup_wait_empty(fd, timeout_ms);
}

int ending_run(int unit_fd, int proc_fd, const char *name) {
        _cleanup_close_ int fd = open_group(unit_fd, name);
        int r;

        if (fd < 0)
                return 0; /* removed: nothing was in it */
        r = cgroup_wait_empty(fd, 0);
        if (r == 0) {
                terminate(fd, proc_fd, name);
                r = cgroup_wait_empty(fd, ENDING_GRACE_MS);
        }
        return r > 0 ? 0 : cgroup_kill(fd);
}
