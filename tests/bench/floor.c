/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least that the kernel asks for a launch, or for an exec: what no tool can go below. One process makes namespaces
 * and mounts with the fewest calls, starts the payload, reaps it, and takes away what it made; nothing is checked,
 * protected or written down. Prints a line for each round: wall time and processor time in microseconds.
 *
 *   floor [OPTION...] ROOT PROGRAM            a launch: PROGRAM of the root directory ROOT, as PID 1
 *     -n ROUNDS   how often (1)
 *     -g DIR      a cgroup of its own each, made below DIR
 *     -l DIR      ROOT below an overlay, whose other layer is made in DIR and removed after
 *     -u          a user namespace, into which ROOT and layer are mapped
 *     -i          PID 1 starts PROGRAM as its child
 *     -h          the host's network
 *   floor [OPTION...] -e PID PROGRAM          an exec: PROGRAM in the container whose leader is PID */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UID_BASE 1000001536U /* of no account: nobody's */

typedef struct Floor {
        const char *root, *program, *cgroup, *layers;
        int rounds, leader;
        bool users, init, host_network;
        int root_fd, layer_fd, cgroup_fd; /* of this round */
        int go[2];
} Floor;

static void check(bool ok, const char *what) {
        if (ok)
                return;
        dprintf(STDERR_FILENO, "floor: %s: %s\n", what, strerror(errno));
        _exit(99);
}

static double wall(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static double seconds(struct timeval t) {
        return (double) t.tv_sec * 1e6 + (double) t.tv_usec;
}

static double processor(void) {
        struct rusage own, children;

        getrusage(RUSAGE_SELF, &own);
        getrusage(RUSAGE_CHILDREN, &children);
        return seconds(own.ru_utime) + seconds(own.ru_stime) + seconds(children.ru_utime) +
               seconds(children.ru_stime);
}

static pid_t start(const Floor *floor, uint64_t flags, int *ret_pidfd) {
        struct clone_args args = { .flags = flags | CLONE_PIDFD,
                                   .pidfd = (uint64_t) (uintptr_t) ret_pidfd,
                                   .exit_signal = SIGCHLD };
        pid_t pid;

        if (floor->cgroup_fd >= 0) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t) floor->cgroup_fd;
        }
        pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
        check(pid >= 0, "clone3");
        return pid;
}

static void execute(const Floor *floor) {
        char *const argv[] = { (char *) floor->program, NULL }, *const env[] = { NULL };

        execve(floor->program, argv, env);
        check(false, floor->program);
}

static int overlay(const Floor *floor) {
        char lower[32], upper[40], work[40];
        int fs, fd;

        snprintf(lower, sizeof(lower), "/proc/self/fd/%d", floor->root_fd);
        snprintf(upper, sizeof(upper), "/proc/self/fd/%d/up", floor->layer_fd);
        snprintf(work, sizeof(work), "/proc/self/fd/%d/work", floor->layer_fd);
        check(move_mount(floor->root_fd, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) >= 0, "move_mount");
        check(move_mount(floor->layer_fd, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) >= 0, "move_mount");
        fs = fsopen("overlay", 0);
        check(fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower, 0) >= 0 &&
                              fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", upper, 0) >= 0 &&
                              fsconfig(fs, FSCONFIG_SET_STRING, "workdir", work, 0) >= 0 &&
                              fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) >= 0 &&
                              fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) >= 0,
              "overlay");
        fd = fsmount(fs, 0, 0);
        check(fd >= 0, "fsmount");
        return fd;
}

static void bring_up_loopback(void) {
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        int fd = socket(AF_INET, SOCK_DGRAM, 0);

        check(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) >= 0, "loopback");
        close(fd);
}

/* The new process, until it is the payload. */
static void lead(const Floor *floor) {
        int fd = floor->root_fd;
        char byte;

        if (floor->users) {
                check(read(floor->go[0], &byte, 1) == 1, "read");
                check(setgroups(0, NULL) >= 0 && setresgid(0, 0, 0) >= 0 && setresuid(0, 0, 0) >= 0,
                      "setresuid");
        }
        check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) >= 0, "private mounts");
        if (!floor->host_network)
                bring_up_loopback();
        if (floor->layers)
                fd = overlay(floor);
        check(move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) >= 0 && fchdir(fd) >= 0,
              "move_mount");
        check(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) >= 0, "mount proc");
        check(syscall(SYS_pivot_root, ".", ".") >= 0 && umount2(".", MNT_DETACH) >= 0 && chdir("/") >= 0,
              "pivot_root");
        if (floor->init) {
                int status;
                pid_t pid = fork();

                if (pid == 0)
                        execute(floor);
                check(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
                _exit(WEXITSTATUS(status));
        }
        execute(floor);
}

static void write_file(const char *directory, const char *name, const char *text) {
        char path[128];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        fd = open(path, O_WRONLY);
        check(fd >= 0 && write(fd, text, strlen(text)) > 0, path);
        close(fd);
}

static void map(const Floor *floor, pid_t pid) {
        char proc[32], text[48], path[64];
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
        int fd;

        snprintf(proc, sizeof(proc), "/proc/%d", pid);
        snprintf(text, sizeof(text), "0 %u 65536", UID_BASE);
        write_file(proc, "uid_map", text);
        write_file(proc, "gid_map", text);
        snprintf(path, sizeof(path), "%s/ns/user", proc);
        fd = open(path, O_RDONLY);
        check(fd >= 0, path);
        attr.userns_fd = (uint64_t) fd;
        check(mount_setattr(floor->root_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) >= 0, "mapped root");
        check(!floor->layers || mount_setattr(floor->layer_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) >= 0,
              "mapped layer");
        close(fd);
        check(write(floor->go[1], "G", 1) == 1, "write");
}

static int open_tree_at(int fd, const char *path) {
        int tree_fd = open_tree(fd, path, OPEN_TREE_CLONE | AT_EMPTY_PATH);
        struct mount_attr attr = { .propagation = MS_PRIVATE };

        check(tree_fd >= 0 && mount_setattr(tree_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) >= 0, path);
        return tree_fd;
}

static int make_layer(const Floor *floor) {
        int layers_fd = open(floor->layers, O_RDONLY | O_DIRECTORY), fd;

        check(layers_fd >= 0 && mkdirat(layers_fd, "floor", 0755) >= 0 &&
                              mkdirat(layers_fd, "floor/up", 0755) >= 0 &&
                              mkdirat(layers_fd, "floor/work", 0755) >= 0,
              floor->layers);
        fd = open_tree_at(layers_fd, "floor");
        close(layers_fd);
        return fd;
}

static void remove_layer(const Floor *floor) {
        int layers_fd = open(floor->layers, O_RDONLY | O_DIRECTORY);

        check(unlinkat(layers_fd, "floor/work/work", AT_REMOVEDIR) >= 0 &&
                              unlinkat(layers_fd, "floor/work", AT_REMOVEDIR) >= 0 &&
                              unlinkat(layers_fd, "floor/up", AT_REMOVEDIR) >= 0 &&
                              unlinkat(layers_fd, "floor", AT_REMOVEDIR) >= 0,
              floor->layers);
        close(layers_fd);
}

static void reap(pid_t pid) {
        int status;

        check(waitpid(pid, &status, 0) == pid, "waitpid");
        errno = EIO;
        check(status == 0, "the payload failed");
}

static void launch(Floor *floor) {
        uint64_t flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
        int pidfd;
        pid_t pid;

        floor->root_fd = open_tree_at(AT_FDCWD, floor->root);
        if (floor->layers)
                floor->layer_fd = make_layer(floor);
        if (floor->users) {
                check(pipe2(floor->go, O_CLOEXEC) >= 0, "pipe");
                flags |= CLONE_NEWUSER;
        }
        if (!floor->host_network)
                flags |= CLONE_NEWNET;
        pid = start(floor, flags, &pidfd);
        if (pid == 0)
                lead(floor);
        if (floor->users)
                map(floor, pid);
        reap(pid);
        close(pidfd);
        close(floor->root_fd);
        if (floor->layers) {
                close(floor->layer_fd);
                remove_layer(floor);
        }
        if (floor->users) {
                close(floor->go[0]);
                close(floor->go[1]);
        }
}

/* A process joins, and starts the payload, as the pid namespace holds only for children. */
static void join(Floor *floor) {
        int pidfd;
        pid_t pid;

        pid = fork();
        check(pid >= 0, "fork");
        if (pid == 0) {
                pidfd = pidfd_open(floor->leader, 0);
                check(pidfd >= 0, "pidfd_open");
                check(setns(pidfd, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                                                   CLONE_NEWCGROUP | CLONE_NEWNET) >= 0,
                      "setns");
                pid = start(floor, 0, &pidfd);
                if (pid == 0)
                        execute(floor);
                reap(pid);
                _exit(0);
        }
        reap(pid);
}

static void one_round(Floor *floor) {
        char group[4096];

        floor->cgroup_fd = -1;
        if (floor->cgroup) {
                snprintf(group, sizeof(group), "%s/floor", floor->cgroup);
                check(mkdir(group, 0755) >= 0, group);
                floor->cgroup_fd = open(group, O_RDONLY | O_DIRECTORY);
        }
        if (floor->leader > 0)
                join(floor);
        else
                launch(floor);
        if (floor->cgroup) {
                close(floor->cgroup_fd);
                check(rmdir(group) >= 0, group);
        }
}

int main(int argc, char *argv[]) {
        Floor floor = { .rounds = 1 };
        int option;

        while ((option = getopt(argc, argv, "n:g:l:e:uih")) != -1)
                switch (option) {
                case 'n':
                        floor.rounds = atoi(optarg);
                        break;
                case 'g':
                        floor.cgroup = optarg;
                        break;
                case 'l':
                        floor.layers = optarg;
                        break;
                case 'e':
                        floor.leader = atoi(optarg);
                        break;
                case 'u':
                        floor.users = true;
                        break;
                case 'i':
                        floor.init = true;
                        break;
                case 'h':
                        floor.host_network = true;
                        break;
                default:
                        return 2;
                }
        if (argc - optind != (floor.leader > 0 ? 1 : 2)) {
                fprintf(stderr, "usage: see the head of floor.c\n");
                return 2;
        }
        floor.root = argv[optind];
        floor.program = argv[argc - 1];
        for (int i = 0; i < floor.rounds; i++) {
                double wall_before = wall(), processor_before = processor();

                one_round(&floor);
                printf("%.0f %.0f\n", wall() - wall_before, processor() - processor_before);
        }
        return 0;
}
