/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/namespaces.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/fs.h"

pid_t namespaces_clone(const Clone *how, int *ret_pidfd) {
        int pidfd = -EBADF;
        struct clone_args args = {
                .flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PIDFD | CLONE_INTO_CGROUP,
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .cgroup = (uint64_t) how->cgroup_fd,
                /* clone3(2): with CLONE_PARENT exit_signal must be 0; the parent gets what it gets for us */
                .exit_signal = how->sibling ? 0 : SIGCHLD,
        };
        pid_t pid;

        if (how->new_user)
                args.flags |= CLONE_NEWUSER;
        if (!how->host_ipc)
                args.flags |= CLONE_NEWIPC;
        if (!how->host_pids)
                args.flags |= CLONE_NEWPID;
        if (how->sibling)
                args.flags |= CLONE_PARENT;
        pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0)
                return -errno;
        if (pid > 0)
                *ret_pidfd = pidfd;
        return pid;
}

int namespaces_make_network(void) {
        return unshare(CLONE_NEWNET) < 0 ? -errno : 0;
}

static int write_map(pid_t pid, const char *file, const char *text) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
        return write_string_at(AT_FDCWD, path, text);
}

int namespaces_map(pid_t pid, uint32_t base, uint32_t count) {
        char line[64];
        int r;

        snprintf(line, sizeof(line), "0 %u %u\n", base, count);
        r = write_map(pid, "uid_map", line);
        return r < 0 ? r : write_map(pid, "gid_map", line);
}

int namespaces_open_user(pid_t pid) {
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* The lines of one of the two maps. user_namespaces(7): an empty map cannot be used, so where no range is given
 * for a kind, one id that nobody has stands in. */
static int format_map(const IdRange *ranges, size_t n, bool users, uint32_t base, char **ret) {
        size_t size;
        bool any = false;
        FILE *f = open_memstream(ret, &size);

        if (!f)
                return -errno;
        for (size_t i = 0; i < n; i++)
                if (users ? ranges[i].users : ranges[i].groups) {
                        fprintf(f, "%u %u %u\n", ranges[i].host, base + ranges[i].container,
                                ranges[i].count);
                        any = true;
                }
        if (!any)
                fprintf(f, "%u %u 1\n", UINT32_MAX - 1, UINT32_MAX - 1);
        return fclose(f) == 0 ? 0 : -ENOMEM;
}

/* A child whose only work is to be in a new user namespace until we have opened it. */
static pid_t clone_holder(void) {
        struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
        pid_t parent = getpid(), pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));

        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                while (getppid() == parent) /* it may have died before that */
                        pause();
                _exit(EXIT_BERTH);
        }
        return pid < 0 ? -errno : pid;
}

int namespaces_for_mount(const IdRange *ranges, size_t n_ranges, uint32_t uid_base, uint32_t uid_count) {
        _cleanup_free_ char *users = NULL, *groups = NULL;
        pid_t pid;
        int fd, r;

        for (size_t i = 0; i < n_ranges; i++)
                if ((uint64_t) ranges[i].container + ranges[i].count > uid_count)
                        return -ERANGE;
        r = format_map(ranges, n_ranges, true, uid_base, &users);
        if (r >= 0)
                r = format_map(ranges, n_ranges, false, uid_base, &groups);
        if (r < 0)
                return r;
        pid = clone_holder();
        if (pid < 0)
                return pid;
        r = write_map(pid, "uid_map", users);
        if (r >= 0)
                r = write_map(pid, "gid_map", groups);
        fd = r < 0 ? r : namespaces_open_user(pid);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return fd;
}
