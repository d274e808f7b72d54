/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "common/directory.h"
#include "common/log.h"
#include "helper/container/confine.h"
#include "helper/container/mount.h"

/* A compressed file of a few bytes can ask for gigabytes to unpack it. */
#define MEMORY_MAX (UINT64_C(2) << 30)

#define BIT(capability) (UINT64_C(1) << (capability))

/* CHOWN, FOWNER, FSETID and SETFCAP make files what they are to be; DAC_OVERRIDE reaches those that root itself may
 * not read. */
#define CAPABILITIES \
        (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_SETFCAP))

pid_t sandbox_fork(int *ret_pidfd) {
        int pidfd = -EBADF;
        struct clone_args args = {
                .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                         CLONE_NEWCGROUP | CLONE_PIDFD,
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .exit_signal = SIGCHLD,
        };
        pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));

        if (pid < 0)
                return -errno;
        if (pid > 0)
                *ret_pidfd = pidfd;
        else if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                sandbox_exit(EXIT_FAILURE);
        return pid;
}

/* The root becomes an empty tmpfs. */
static int leave_files(void) {
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0700") < 0)
                return -errno;
        if (chdir("/tmp") < 0)
                return -errno;
        /* pivot_root(2): both may be the same directory, the old root is then on top of the new */
        if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return -errno;
        if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                  NULL) < 0)
                return -errno;
        return 0;
}

static int close_others(const int *keep, size_t n) {
        unsigned first = STDERR_FILENO + 1;

        for (size_t i = 0; i <= n; i++) {
                unsigned next = i < n ? (unsigned) keep[i] : ~0U;

                if (next > first && syscall(SYS_close_range, first, next - (i < n), 0) < 0)
                        return -errno;
                first = next + 1;
        }
        return 0;
}

/* What is left to call. Memory may not become code any more: nothing can be loaded, and nothing executed. */
static int add_rules(scmp_filter_ctx filter) {
        static const int calls[] = {
                SCMP_SYS(read),
                SCMP_SYS(pread64),
                SCMP_SYS(write),
                SCMP_SYS(writev),
                SCMP_SYS(pwrite64),
                SCMP_SYS(lseek),
                SCMP_SYS(_llseek),
                SCMP_SYS(close),
                SCMP_SYS(openat),
                SCMP_SYS(fstat),
                SCMP_SYS(fstat64),
                SCMP_SYS(newfstatat),
                SCMP_SYS(fstatat64),
                SCMP_SYS(statx),
                SCMP_SYS(fcntl),
                SCMP_SYS(fcntl64),
                SCMP_SYS(dup),
                SCMP_SYS(getdents64),
                SCMP_SYS(readlinkat),
                SCMP_SYS(mkdirat),
                SCMP_SYS(mknodat),
                SCMP_SYS(symlinkat),
                SCMP_SYS(linkat),
                SCMP_SYS(unlinkat),
                SCMP_SYS(renameat),
                SCMP_SYS(renameat2),
                SCMP_SYS(fchown),
                SCMP_SYS(fchown32),
                SCMP_SYS(fchownat),
                SCMP_SYS(fchmod),
                SCMP_SYS(ftruncate),
                SCMP_SYS(ftruncate64),
                SCMP_SYS(utimensat),
                SCMP_SYS(utimensat_time64),
                SCMP_SYS(fsetxattr),
                SCMP_SYS(fgetxattr),
                SCMP_SYS(flistxattr),
                SCMP_SYS(fremovexattr),
                SCMP_SYS(brk),
                SCMP_SYS(munmap),
                SCMP_SYS(mremap),
                SCMP_SYS(madvise),
                SCMP_SYS(futex),
                SCMP_SYS(futex_time64),
                SCMP_SYS(getrandom),
                SCMP_SYS(clock_gettime),
                SCMP_SYS(clock_gettime64),
                SCMP_SYS(gettimeofday),
                SCMP_SYS(time),
                SCMP_SYS(uname),
                SCMP_SYS(sysinfo),
                SCMP_SYS(rt_sigaction),
                SCMP_SYS(rt_sigprocmask),
                SCMP_SYS(rt_sigreturn),
                SCMP_SYS(getpid),
                SCMP_SYS(gettid),
                SCMP_SYS(tgkill),
                SCMP_SYS(exit),
                SCMP_SYS(exit_group),
                SCMP_SYS(restart_syscall),
                SCMP_SYS(sched_yield),
        };
        static const unsigned maps[] = { SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect) };
        static const uint32_t controls[] = { TCGETS, TIOCGWINSZ, FICLONE };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(calls); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(maps); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, (int) maps[i], 1,
                                     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(controls); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, controls[i]));
        /* Its argument is memory, which a filter does not see; what it opens is what openat opens. */
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat2), 0);
        return r;
}

static int forbid_calls(void) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        int r;

        if (!filter)
                return -ENOMEM;
        r = add_rules(filter);
        if (r >= 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r;
}

int sandbox_enter(const int *keep_fds, size_t n) {
        const struct rlimit memory = { MEMORY_MAX, MEMORY_MAX };
        int r;

        if (setrlimit(RLIMIT_DATA, &memory) < 0)
                return log_error_errno(errno, "cannot limit the memory of an import: %m");
        directory_allow_depth();
        r = close_others(keep_fds, n);
        if (r < 0)
                return log_error_errno(r, "cannot close what an import has no use for: %m");
        r = leave_files();
        if (r < 0)
                return log_error_errno(r, "cannot give an import a root of its own: %m");
        r = confine_init(CAPABILITIES);
        if (r < 0)
                return log_error_errno(r, "cannot give up capabilities: %m");
        r = forbid_calls();
        if (r < 0)
                return log_error_errno(r, "cannot give up system calls: %m");
        return 0;
}

void sandbox_exit(int status) {
        fflush(NULL);
        _exit(status);
}

int sandbox_open_directory(int dir_fd, const char *name, bool read_only) {
        uint64_t attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
        _cleanup_close_ int fd = mount_clone(dir_fd, name);
        int r = fd;

        if (r >= 0)
                r = mount_set(fd, attributes | (read_only ? MOUNT_ATTR_RDONLY : 0));
        if (r < 0)
                return log_error_errno(r, "'%s': cannot be mounted for itself: %m", name);
        return TAKE_FD(fd);
}
