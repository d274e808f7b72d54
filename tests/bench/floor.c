/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least that the kernel asks for a launch, or for an exec: what no tool can go below. One process makes namespaces
 * and mounts with the fewest calls, starts the payload, reaps it, and takes away what it made; nothing is checked,
 * protected or written down. Prints a line for each round, but with -w: wall time and processor time in microseconds.
 *
 *   floor [OPTION...] ROOT PROGRAM            a launch: PROGRAM of the root directory ROOT, as PID 1
 *     -n ROUNDS   how often (1)
 *     -g DIR      a cgroup of its own each, made below DIR
 *     -l DIR      ROOT below an overlay, whose other layer is made in DIR and removed after
 *     -u          a user namespace, into which ROOT and layer are mapped
 *     -i          PID 1 starts PROGRAM as its child
 *     -h          the host's network
 *     -w          the same surroundings as a container of Berth has: its file systems of /dev, /sys and /etc, their mounts,
 *                 two control groups, an empty keyring, a host name, few capabilities and the very filter of system calls;
 *                 still nothing is looked at, checked or written down. To be started anew for each launch, as any tool is:
 *                 "turns CGROUP ROUNDS floor -w ..."
 *   floor [OPTION...] -e PID PROGRAM          an exec: PROGRAM in the container whose leader is PID
 *     -w          with what a command of Berth's exec has: a control group of its own, taken away after it, a session, an
 *                 empty keyring, few capabilities and the filter; also to be started anew each time */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "filter-programs.h" /* of the build that is measured */

#define UID_BASE 1000001536U /* of no account: nobody's */
#define API      (MS_NOSUID | MS_NODEV | MS_NOEXEC)

typedef struct Floor {
        const char *root, *program, *cgroup, *layers;
        int rounds, leader;
        bool users, init, host_network, walls;
        int root_fd, layer_fd, cgroup_fd; /* of this round */
        int device_fd, etc_fd;            /* with walls: tmpfs for /dev, and for files of /etc */
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

static int new_tmpfs(const char *size) {
        int fs = fsopen("tmpfs", 0), fd;

        check(fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) >= 0 &&
                              fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) >= 0 &&
                              fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) >= 0,
              "tmpfs");
        fd = fsmount(fs, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        check(fd >= 0, "fsmount");
        close(fs);
        return fd;
}

static const char *const etc_files[] = { "hostname", "hosts", "machine-id" };

/* What only the host's root can make, given to that of the container. */
static void fill(const Floor *floor) {
        static const struct {
                const char *name;
                unsigned major, minor;
        } nodes[] = { { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
                      { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 } };
        static const char *const links[][2] = { { "/proc/self/fd", "fd" },
                                                { "/proc/self/fd/0", "stdin" },
                                                { "/proc/self/fd/1", "stdout" },
                                                { "/proc/self/fd/2", "stderr" },
                                                { "pts/ptmx", "ptmx" } };
        static const char *const directories[] = { "pts", "shm", "mqueue" };
        uid_t owner = floor->users ? UID_BASE : 0;

        check(fchownat(floor->device_fd, "", owner, owner, AT_EMPTY_PATH) >= 0 &&
                              fchownat(floor->etc_fd, "", owner, owner, AT_EMPTY_PATH) >= 0,
              "chown");
        for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
                check(mknodat(floor->device_fd, nodes[i].name, S_IFCHR | 0666,
                              makedev(nodes[i].major, nodes[i].minor)) >= 0 &&
                                      fchownat(floor->device_fd, nodes[i].name, owner, owner, 0) >= 0,
                      nodes[i].name);
        for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
                check(symlinkat(links[i][0], floor->device_fd, links[i][1]) >= 0, links[i][1]);
        for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
                check(mkdirat(floor->device_fd, directories[i], 0755) >= 0 &&
                                      fchownat(floor->device_fd, directories[i], owner, owner, 0) >= 0,
                      directories[i]);
        check(mkdirat(floor->etc_fd, "etc", 0755) >= 0 &&
                              fchownat(floor->etc_fd, "etc", owner, owner, 0) >= 0,
              "etc");
        for (size_t i = 0; i < sizeof(etc_files) / sizeof(*etc_files); i++) {
                char name[32];
                int fd;

                snprintf(name, sizeof(name), "etc/%s", etc_files[i]);
                fd = openat(floor->etc_fd, name, O_WRONLY | O_CREAT, 0644);
                check(fd >= 0 && fchown(fd, owner, owner) >= 0 && write(fd, "floor\n", 6) == 6, name);
                close(fd);
        }
}

/* In the new root, which is the working directory; below /proc, which is mounted there. */
static void surround(const Floor *floor) {
        check(mount("proc/sys", "proc/sys", NULL, MS_BIND, NULL) >= 0 &&
                              mount(NULL, "proc/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | API, NULL) >=
                                              0,
              "/proc/sys");
        check(mount("sysfs", "sys", "sysfs", MS_RDONLY | API, NULL) >= 0 &&
                              mount("cgroup2", "sys/fs/cgroup", "cgroup2", MS_RDONLY | API, NULL) >= 0,
              "/sys");
        check(move_mount(floor->device_fd, "", AT_FDCWD, "dev", MOVE_MOUNT_F_EMPTY_PATH) >= 0 &&
                              mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                                    "newinstance,ptmxmode=0666,mode=0620,gid=5") >= 0 &&
                              mount("tmpfs", "dev/shm", "tmpfs", API, "mode=1777,size=64M") >= 0 &&
                              mount("mqueue", "dev/mqueue", "mqueue", API, NULL) >= 0,
              "/dev");
        if (!floor->layers)
                check(mount("tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") >= 0 &&
                                      mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") >= 0,
                      "/run and /tmp");
        for (size_t i = 0; i < sizeof(etc_files) / sizeof(*etc_files); i++) {
                char name[32];
                int fd;

                snprintf(name, sizeof(name), "etc/%s", etc_files[i]);
                fd = open_tree(floor->etc_fd, name, OPEN_TREE_CLONE);
                check(fd >= 0 && move_mount(fd, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) >= 0, name);
                close(fd);
        }
}

/* The capabilities that a container of Berth keeps by default. */
#define BIT(capability) (UINT64_C(1) << (capability))
static const uint64_t kept = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |
                             BIT(CAP_KILL) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETFCAP) | BIT(CAP_SETGID) |
                             BIT(CAP_SETPCAP) | BIT(CAP_SETUID) | BIT(CAP_SYS_CHROOT);

static void drop(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { { (uint32_t) kept, (uint32_t) kept, 0 },
                                                  { (uint32_t) (kept >> 32), (uint32_t) (kept >> 32), 0 } };

        for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
                if (!(kept & BIT(capability)))
                        check(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) >= 0, "PR_CAPBSET_DROP");
        check(syscall(SYS_capset, &header, data) >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) >= 0,
              "capset");
}

static void confine(void) {
        const struct sock_fprog filter = {
                .len = sizeof(filter_default) / sizeof(*filter_default),
                .filter = (struct sock_filter *) (uintptr_t) filter_default,
        };

        drop();
        check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) >= 0, "seccomp");
}

static int overlay(const Floor *floor) {
        char lower[64], upper[40], work[40];
        int fs, fd;

        snprintf(lower, sizeof(lower), "/proc/self/fd/%d", floor->root_fd);
        if (!floor->layers)
                snprintf(lower, sizeof(lower), "/proc/self/fd/%d:/proc/self/fd/%d", floor->root_fd,
                         floor->etc_fd);
        snprintf(upper, sizeof(upper), "/proc/self/fd/%d/up", floor->layer_fd);
        snprintf(work, sizeof(work), "/proc/self/fd/%d/work", floor->layer_fd);
        check(move_mount(floor->root_fd, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) >= 0, "move_mount");
        check(!floor->layers || move_mount(floor->layer_fd, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) >=
                                                0,
              "move_mount");
        fs = fsopen("overlay", 0);
        check(fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower, 0) >= 0 &&
                              (!floor->layers ||
                               (fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", upper, 0) >= 0 &&
                                fsconfig(fs, FSCONFIG_SET_STRING, "workdir", work, 0) >= 0 &&
                                fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) >= 0)) &&
                              fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) >= 0 &&
                              fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) >= 0,
              "overlay");
        fd = fsmount(fs, 0, floor->layers ? 0 : MOUNT_ATTR_RDONLY);
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

        if (floor->users || floor->walls)
                close(floor->go[1]); /* who waits for the launcher's word ends with it */
        /* beside what the launcher does, as Berth does it */
        if (floor->walls)
                check(setsid() >= 0 && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 &&
                                      (floor->host_network || unshare(CLONE_NEWNET) >= 0) &&
                                      sethostname("floor", 5) >= 0,
                      "walls");
        if (floor->users || floor->walls)
                check(read(floor->go[0], &byte, 1) == 1, "read");
        if (floor->users)
                check(setgroups(0, NULL) >= 0 && setresgid(0, 0, 0) >= 0 && setresuid(0, 0, 0) >= 0,
                      "setresuid");
        check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) >= 0, "private mounts");
        if (!floor->host_network)
                bring_up_loopback();
        if (floor->walls)
                check(move_mount(floor->etc_fd, "", AT_FDCWD, "/usr", MOVE_MOUNT_F_EMPTY_PATH) >= 0,
                      "move_mount");
        if (floor->layers || floor->walls)
                fd = overlay(floor);
        check(move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) >= 0 && fchdir(fd) >= 0,
              "move_mount");
        check(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) >= 0, "mount proc");
        if (floor->walls)
                surround(floor);
        check(syscall(SYS_pivot_root, ".", ".") >= 0 && umount2(".", MNT_DETACH) >= 0 && chdir("/") >= 0,
              "pivot_root");
        if (floor->init) {
                int status;
                pid_t pid = fork();

                if (pid == 0) {
                        if (floor->walls)
                                confine();
                        execute(floor);
                }
                if (floor->walls)
                        drop();
                check(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
                _exit(WEXITSTATUS(status));
        }
        if (floor->walls)
                confine();
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

        check(unlinkat(layers_fd, "floor/work/work/incompat/volatile/dirty", 0) >= 0 &&
                              unlinkat(layers_fd, "floor/work/work/incompat/volatile", AT_REMOVEDIR) >= 0 &&
                              unlinkat(layers_fd, "floor/work/work/incompat", AT_REMOVEDIR) >= 0 &&
                              unlinkat(layers_fd, "floor/work/work", AT_REMOVEDIR) >= 0 &&
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
        if (floor->walls) {
                floor->device_fd = new_tmpfs("256K");
                floor->etc_fd = new_tmpfs("1M");
        }
        if (floor->users || floor->walls)
                check(pipe2(floor->go, O_CLOEXEC) >= 0, "pipe");
        if (floor->users)
                flags |= CLONE_NEWUSER;
        if (!floor->host_network && !floor->walls)
                flags |= CLONE_NEWNET;
        pid = start(floor, flags, &pidfd);
        if (pid == 0)
                lead(floor);
        if (floor->users)
                map(floor, pid);
        if (floor->walls)
                fill(floor);
        if (floor->users || floor->walls)
                check(write(floor->go[1], "G", 1) == 1, "write");
        reap(pid);
        close(pidfd);
        close(floor->root_fd);
        if (floor->layers) {
                close(floor->layer_fd);
                remove_layer(floor);
        }
        if (floor->walls) {
                close(floor->device_fd);
                close(floor->etc_fd);
        }
        if (floor->users || floor->walls) {
                close(floor->go[0]);
                close(floor->go[1]);
        }
}

/* Joins, and starts the payload, as the pid namespace holds only for children. */
static void join(const Floor *floor) {
        int pidfd = pidfd_open(floor->leader, 0);
        pid_t pid;

        check(pidfd >= 0, "pidfd_open");
        check(setns(pidfd, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                                           CLONE_NEWCGROUP | CLONE_NEWNET) >= 0,
              "setns");
        pid = start(floor, 0, &pidfd);
        if (pid == 0 && floor->walls) {
                check(setsid() >= 0 && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0, "walls");
                check(setgroups(0, NULL) >= 0 && setresgid(0, 0, 0) >= 0 && setresuid(0, 0, 0) >= 0,
                      "setresuid");
                confine();
        }
        if (pid == 0)
                execute(floor);
        reap(pid);
}

/* As who has joined does not come back, in a process of its own, unless it is started anew anyway. */
static void join_once(const Floor *floor) {
        pid_t pid;

        if (floor->walls) {
                join(floor);
                return;
        }
        pid = fork();
        check(pid >= 0, "fork");
        if (pid == 0) {
                join(floor);
                _exit(0);
        }
        reap(pid);
}

/* Berth has the container's processes in a group of their own, below the unit's. */
static void one_round(Floor *floor) {
        bool below = floor->walls && floor->leader == 0;
        int groups_fd = -EBADF;

        floor->cgroup_fd = -1;
        if (floor->cgroup) {
                groups_fd = open(floor->cgroup, O_RDONLY | O_DIRECTORY);
                check(mkdirat(groups_fd, "floor", 0755) >= 0 &&
                                      (!below || mkdirat(groups_fd, "floor/payload", 0755) >= 0),
                      floor->cgroup);
                floor->cgroup_fd =
                                openat(groups_fd, below ? "floor/payload" : "floor", O_RDONLY | O_DIRECTORY);
        }
        if (floor->leader > 0)
                join_once(floor);
        else
                launch(floor);
        if (floor->cgroup) {
                close(floor->cgroup_fd);
                check((!below || unlinkat(groups_fd, "floor/payload", AT_REMOVEDIR) >= 0) &&
                                      unlinkat(groups_fd, "floor", AT_REMOVEDIR) >= 0,
                      floor->cgroup);
                close(groups_fd);
        }
}

int main(int argc, char *argv[]) {
        Floor floor = { .rounds = 1 };
        int option;

        while ((option = getopt(argc, argv, "n:g:l:e:uihw")) != -1)
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
                case 'w':
                        floor.walls = true;
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
                if (floor.walls)
                        continue; /* its own start is part of it: who starts it takes the time */
                printf("%.0f %.0f\n", wall() - wall_before, processor() - processor_before);
        }
        return 0;
}
