/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/ending.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <time.h>

#include "common/fs.h"

/* A process in an uninterruptible sleep can outlast KILL for as long as its disk does. */
#define KILLED_MS 10000
#define PROCS_MAX (4 * 1024 * 1024)

static uint64_t now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

/* 1 once nothing lives in the cgroup, 0 if something still does after timeout_ms. The kernel announces the change
 * of cgroup.events by POLLPRI (cgroups(7)). */
static int wait_empty(int cgroup_fd, uint64_t timeout_ms) {
        uint64_t deadline = now_ms() + timeout_ms;
        _cleanup_close_ int fd = -EBADF;

        fd = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT || errno == ENODEV ? 1 : -errno;
        for (;;) {
                struct pollfd wait = { .fd = fd, .events = POLLPRI };
                uint64_t now = now_ms();
                char text[128];
                ssize_t n;

                n = pread(fd, text, sizeof(text) - 1, 0);
                if (n < 0)
                        return errno == ENODEV ? 1 : -errno;
                text[n] = '\0';
                if (strstr(text, "populated 0"))
                        return 1;
                if (now >= deadline)
                        return 0;
                if (poll(&wait, 1, (int) (deadline - now)) < 0 && errno != EINTR)
                        return -errno;
        }
}

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

        return fd < 0 ? 1 : wait_empty(fd, timeout_ms);
}

int ending_run(int unit_fd, int proc_fd, const char *name) {
        _cleanup_close_ int fd = open_group(unit_fd, name);
        int r;

        if (fd < 0)
                return 0; /* removed: nothing was in it */
        r = wait_empty(fd, 0);
        if (r == 0) {
                terminate(fd, proc_fd, name);
                r = wait_empty(fd, ENDING_GRACE_MS);
        }
        if (r <= 0) {
                (void) write_string_at(fd, "cgroup.kill", "1");
                r = wait_empty(fd, KILLED_MS);
        }
        return r <= 0 ? -ETIME : 0;
}
