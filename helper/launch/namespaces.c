/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/namespaces.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

static int make_network(NetworkMaker *maker) {
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
        _cleanup_close_ int fd = -EBADF;

        maker->step = "make the network namespace of the container";
        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        maker->step = "bring up the loopback interface";
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : TAKE_FD(fd);
}

static int run_maker(void *p) {
        NetworkMaker *maker = p;

        maker->fd = make_network(maker);
        return 0;
}

/* It shares memory and descriptors, or its own clone would cost as much as it saves; errno too, but that is read where a
 * call has failed only, and if one of its has, so has the launch. */
void namespaces_begin_network(NetworkMaker *maker, bool alone) {
        maker->step = "make the network of the container";
        maker->fd = -ESRCH; /* of one that was killed */
        maker->pid = alone ? 0
                           : clone(run_maker, maker->stack + sizeof(maker->stack), CLONE_VM | CLONE_FILES,
                                   maker);
        if (maker->pid <= 0)
                maker->fd = make_network(maker);
}

/* ioctl_ns(2) is for namespaces that a /proc shows; a socket knows its own: SIOCGSKNS. */
static int join_network(int socket_fd) {
        _cleanup_close_ int fd = ioctl(socket_fd, SIOCGSKNS);

        return fd < 0 || setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

int namespaces_join_network(NetworkMaker *maker) {
        _cleanup_close_ int fd = -EBADF;

        /* __WALL: its end is told by no signal, so that nobody who ignores SIGCHLD lets it go by */
        while (maker->pid > 0 && waitid(P_PID, (id_t) maker->pid, NULL, WEXITED | __WALL) < 0)
                if (errno != EINTR)
                        return -errno;
        fd = maker->fd;
        if (fd < 0 || maker->pid <= 0)
                return MIN(fd, 0);
        maker->step = "enter the network namespace of the container";
        return join_network(fd);
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
