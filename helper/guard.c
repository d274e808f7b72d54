/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "common/contract.h"
#include "common/fs.h"
#include "helper/enter.h"

#define GRACE_MS 2000
/* A process in an uninterruptible sleep can outlast KILL for as long as its disk does. */
#define KILLED_MS 10000
#define PROCS_MAX (4 * 1024 * 1024)

#define EXIT_ENDED 1
#define EXIT_LEFT  2

void guard_done(Guard *guard) {
        guard->pidfd = close_fd(guard->pidfd);
        guard->order_fd = close_fd(guard->order_fd);
}

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
static bool is_member(pid_t pid, const char *name) {
        _cleanup_free_ char *text = NULL;
        char path[64], *rest, *line;

        snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
        if (read_file_at(AT_FDCWD, path, 65536, &text, NULL) < 0)
                return false;
        for (rest = text; (line = strsep(&rest, "\n"));)
                if (startswith(line, "0::") && endswith(line, name))
                        return true;
        return false;
}

/* TERM to each member; CONT as well, or a stopped one would not act on it (as systemd does). */
static void terminate(int cgroup_fd, const char *name) {
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
                if (fd < 0 || !is_member(pid, name))
                        continue;
                (void) pidfd_send_signal(fd, SIGTERM, NULL, 0);
                (void) pidfd_send_signal(fd, SIGCONT, NULL, 0);
        }
}

int guard_end(int unit_fd, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = openat(unit_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return 0; /* removed: nothing was in it */
        r = wait_empty(fd, 0);
        if (r == 0) {
                terminate(fd, name);
                r = wait_empty(fd, GRACE_MS);
        }
        if (r <= 0) {
                (void) write_string_at(fd, "cgroup.kill", "1");
                r = wait_empty(fd, KILLED_MS);
        }
        if (r <= 0)
                return -ETIME;
        (void) unlinkat(unit_fd, name, AT_REMOVEDIR);
        return 0;
}

static int end_status(int unit_fd, const char *name, int status) {
        return guard_end(unit_fd, name) < 0 ? EXIT_LEFT : status;
}

static int interrupt_status(int unit_fd, const char *name) {
        _cleanup_close_ int fd = openat(unit_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0)
                (void) wait_empty(fd, GRACE_MS);
        return end_status(unit_fd, name, EXIT_ENDED);
}

/* Reads orders until one of them, the clock or the end of the pipe says what to do; returns the exit status. */
static int watch(int order_fd, int unit_fd, const char *name, uint64_t timeout_usec) {
        uint64_t deadline = UINT64_MAX;

        for (;;) {
                struct pollfd wait = { .fd = order_fd, .events = POLLIN };
                uint64_t now = deadline == UINT64_MAX ? 0 : now_ms();
                int left = deadline == UINT64_MAX ? -1 : (int) MIN(deadline - MIN(now, deadline), 86400000U);
                char order;
                ssize_t n;

                if (poll(&wait, 1, left) == 0) {
                        if (now_ms() >= deadline)
                                return end_status(unit_fd, name, EXIT_TIMED_OUT);
                        continue;
                }
                n = read(order_fd, &order, 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return end_status(unit_fd, name, EXIT_ENDED);
                switch ((GuardOrder) order) {
                case GUARD_STARTED:
                        if (timeout_usec > 0)
                                deadline = now_ms() + MAX(timeout_usec / 1000, UINT64_C(1));
                        break;
                case GUARD_FINISHED:
                        /* With somebody left in it it stays, for a later sweep or the end of the unit. */
                        (void) unlinkat(unit_fd, name, AT_REMOVEDIR);
                        enter_sweep(unit_fd);
                        return 0;
                case GUARD_INTERRUPT:
                        return interrupt_status(unit_fd, name);
                case GUARD_HANG_UP:
                        return end_status(unit_fd, name, EXIT_ENDED);
                }
        }
}

/* The guard's own life. It holds two descriptors, 0 and 1, and nothing of the client's: a pipe kept open here would
 * never end for its reader. */
static void run(int order_fd, int unit_fd, const char *name, uint64_t timeout_usec) {
        sigset_t all;

        sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        (void) setsid(); /* the terminal's signals are not for us */
        /* Nor is the container's lack of memory, though we are counted in its unit. */
        (void) write_string_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
        if (chdir("/") < 0 || dup2(order_fd, 0) < 0 || dup2(unit_fd, 1) < 0)
                _exit(EXIT_BERTH);
        (void) syscall(SYS_close_range, 2, ~0U, 0);
        (void) prctl(PR_SET_NAME, "berth-guard", 0, 0, 0);
        _exit(watch(0, 1, name, timeout_usec));
}

int guard_start(int unit_fd, const char *name, uint64_t timeout_usec, Guard *ret) {
        _cleanup_close_ int read_fd = -EBADF, write_fd = -EBADF;
        int fds[2], pidfd;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_fd = fds[0];
        write_fd = fds[1];
        pid = enter_clone(unit_fd, ENTER_GUARD, 0, &pidfd);
        if (pid < 0)
                return pid;
        if (pid == 0)
                run(read_fd, unit_fd, name, timeout_usec);
        *ret = (Guard){ .pidfd = pidfd, .order_fd = TAKE_FD(write_fd) };
        return 0;
}

int guard_order(const Guard *guard, GuardOrder order) {
        char byte = (char) order;

        return write_fd(guard->order_fd, &byte, 1);
}

int guard_wait(Guard *guard) {
        siginfo_t info = {};

        /* __WALL: a child that tells nobody by a signal is no ordinary one, waitpid(2) */
        while (waitid(P_PIDFD, (id_t) guard->pidfd, &info, WEXITED | __WALL) < 0)
                if (errno != EINTR)
                        return -errno;
        if (info.si_code != CLD_EXITED)
                return -ECHILD;
        switch (info.si_status) {
        case 0:
        case EXIT_ENDED:
        case EXIT_TIMED_OUT:
                return info.si_status;
        case EXIT_LEFT:
                return -ETIME;
        default:
                return -ECHILD;
        }
}
