/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/layer-disk.h"

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "helper/container/command.h"
#include "helper/container/loop.h"
#include "helper/container/mount.h"

#define UNFINISHED   LAYER_DISK ".new"
#define BLOCK        UINT64_C(4096)
#define LOCK_RETRIES 1500
#define SUPERBLOCK   1024

#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t) /* fs/ext4/ext4.h: in blocks; of no header of Linux */

/* The file is ours and empty, and mkfs.ext4 sees nothing else of us. A journal is of no use to what is thrown away. */
static int exec_mkfs(int file_fd, bool ephemeral) {
        const char *argv[] = { "mkfs.ext4",
                               "-q",
                               "-F",
                               "-b",
                               "4096",
                               "-m",
                               "0",
                               "-E",
                               "nodiscard,root_owner=0:0",
                               "-O",
                               ephemeral ? "^has_journal" : "has_journal",
                               "/proc/self/fd/3",
                               NULL };
        const char *env[] = { "PATH=" DEFAULT_PATH, "LC_ALL=C.UTF-8", NULL };

        if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
                return EXIT_FAILED;
        if (file_fd == 3 ? fcntl(3, F_SETFD, 0) < 0 : dup2(file_fd, 3) < 0)
                return EXIT_FAILED;
        return command_exit_status(
                        command_exec((char *const *) (uintptr_t) argv, (char *const *) (uintptr_t) env));
}

static int run_mkfs(int file_fd, const char *name, bool ephemeral) {
        pid_t pid;
        int status;

        pid = command_fork();
        if (pid < 0)
                return log_error_errno(pid, "%s: cannot make a process: %m", name);
        if (pid == 0)
                _exit(exec_mkfs(file_fd, ephemeral));
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "%s: cannot wait for a process: %m", name);
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND)
                return log_error_errno(
                                EOPNOTSUPP,
                                "%s: Disk= needs mkfs.ext4, which is not installed (package e2fsprogs)",
                                name);
        return status == 0 ? 0 : log_error_errno(EIO, "%s: mkfs.ext4 has failed", name);
}

static int make_disk(int layer_fd, const char *name, uint64_t size, bool ephemeral) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (unlinkat(layer_fd, UNFINISHED, 0) < 0 && errno != ENOENT)
                return log_error_errno(errno, "%s: %m", name);
        fd = openat(layer_fd, UNFINISHED, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, (off_t) size) < 0)
                return log_error_errno(errno, "%s: cannot make a file of %" PRIu64 " bytes: %m", name, size);
        r = run_mkfs(fd, name, ephemeral);
        if (r >= 0 && !ephemeral && fsync(fd) < 0)
                r = log_error_errno(errno, "%s: cannot write to disk: %m", name);
        if (r >= 0 && renameat(layer_fd, UNFINISHED, layer_fd, LAYER_DISK) < 0)
                r = log_error_errno(errno, "%s: %m", name);
        return r;
}

/* Mounted twice it would be destroyed. The loop device keeps the very descriptor that we give it, and with it the lock,
 * until the last user of the mount has gone: what an earlier start has left ends soon. */
static int lock_file(int fd, const char *name) {
        const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

        for (unsigned i = 0; i < LOCK_RETRIES; i++) {
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return 0;
                if (errno != EWOULDBLOCK)
                        return log_error_errno(errno, "%s: cannot be locked: %m", name);
                (void) clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        }
        return log_error_errno(EBUSY, "%s: is still mounted by what an earlier start has left", name);
}

/* s_blocks_count_lo and s_blocks_count_hi of the superblock (Documentation/filesystems/ext4/super.rst). */
static int read_blocks(int fd, uint64_t *ret) {
        uint32_t low, high;

        if (pread(fd, &low, sizeof(low), SUPERBLOCK + 0x4) != sizeof(low) ||
            pread(fd, &high, sizeof(high), SUPERBLOCK + 0x150) != sizeof(high))
                return -EIO;
        *ret = (uint64_t) le32toh(high) << 32 | le32toh(low);
        return 0;
}

/* 1: the file system is to grow. What counts is its own size: a start that was killed or refused may have made the
 * file larger. */
static int make_room(int fd, const char *name, uint64_t size) {
        uint64_t blocks;
        struct stat st;

        if (fstat(fd, &st) < 0 || read_blocks(fd, &blocks) < 0)
                return log_error_errno(EIO, "%s: '%s' cannot be read", name, LAYER_DISK);
        if (blocks > size / BLOCK)
                return log_error_errno(EFBIG,
                                       "%s: was made with Disk=%" PRIu64
                                       ", and can grow but not shrink; set no less, or give up "
                                       "what the container wrote (berth remove NAME --layer)",
                                       name, blocks * BLOCK);
        if ((uint64_t) st.st_size < size && ftruncate(fd, (off_t) size) < 0)
                return log_error_errno(errno, "%s: cannot make its file larger: %m", name);
        return blocks < size / BLOCK;
}

static int grow(int mount_fd, const char *name, uint64_t size) {
        _cleanup_close_ int fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t blocks = size / BLOCK;

        return fd < 0 || ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) < 0
                               ? log_error_errno(errno, "%s: its ext4 cannot grow to Disk=%" PRIu64 ": %m",
                                                 name, size)
                               : 0;
}

static int mount_device(int number, uint64_t attributes, const char *name) {
        char source[48];
        const char *options[] = { source, "discard", NULL };
        int mount_fd;

        snprintf(source, sizeof(source), "source=/dev/loop%d", number);
        mount_fd = mount_new("ext4", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | attributes);
        return mount_fd < 0 ? log_error_errno(mount_fd, "%s: its ext4 cannot be mounted: %m", name)
                            : mount_fd;
}

static int mount_disk(int fd, const char *name) {
        const Loop loop = { .writable = true };
        _cleanup_close_ int loop_fd = -EBADF;
        int number = loop_attach(fd, &loop, name, &loop_fd);

        return number < 0 ? number : mount_device(number, 0, name);
}

static int open_file(int layer_fd, const char *name) {
        _cleanup_close_ int fd = openat(layer_fd, LAYER_DISK, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return log_error_errno(errno, "%s: '%s' cannot be opened: %m", name, LAYER_DISK);
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return log_error_errno(EINVAL, "%s: '%s' is no file", name, LAYER_DISK);
        return TAKE_FD(fd);
}

static int open_disk(int layer_fd, const char *name) {
        _cleanup_close_ int fd = open_file(layer_fd, name);
        int r = fd < 0 ? fd : lock_file(fd, name);

        return r < 0 ? r : TAKE_FD(fd);
}

int layer_disk_size(int layer_fd, uint64_t *ret) {
        _cleanup_close_ int fd =
                        openat(layer_fd, LAYER_DISK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        uint64_t blocks = 0;
        int r;

        r = fd < 0 ? -errno : read_blocks(fd, &blocks);
        if (r >= 0)
                *ret = blocks * BLOCK;
        return r;
}

int layer_disk_mount(int layer_fd, const char *name) {
        _cleanup_close_ int fd = open_disk(layer_fd, name);

        return fd < 0 ? fd : mount_disk(fd, name);
}

int layer_disk_mount_running(int layer_fd, const char *name) {
        _cleanup_close_ int fd = open_file(layer_fd, name), loop_fd = -EBADF;
        int number;

        if (fd < 0)
                return fd;
        /* Of the same device it is the same file system; of another one it would be destroyed. */
        number = loop_find(fd, &loop_fd);
        if (number == -ENOENT)
                return log_error_errno(number, "%s: is not mounted any more; try again", name);
        return number < 0 ? log_error_errno(number, "%s: its loop device cannot be found: %m", name)
                          : mount_device(number, MOUNT_ATTR_RDONLY, name);
}

int layer_disk_open(int layer_fd, const char *name, uint64_t size, bool ephemeral) {
        _cleanup_close_ int fd = -EBADF, mount_fd = -EBADF;
        int r;

        size -= size % BLOCK;
        if (size < LAYER_DISK_MIN || size > INT64_MAX)
                return log_error_errno(EINVAL, "%s: Disk= is less than 4M, or more than a file can be",
                                       name);
        if (faccessat(layer_fd, "up", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return log_error_errno(
                                EEXIST,
                                "%s: was made without Disk=; remove that, or give up what the container "
                                "wrote (berth remove NAME --layer)",
                                name);
        if (faccessat(layer_fd, LAYER_DISK, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
                r = make_disk(layer_fd, name, size, ephemeral);
                if (r < 0)
                        return r;
        }
        fd = open_disk(layer_fd, name);
        if (fd < 0)
                return fd;
        r = make_room(fd, name, size);
        if (r < 0)
                return r;
        mount_fd = mount_disk(fd, name);
        if (mount_fd < 0)
                return mount_fd;
        if (r > 0)
                r = grow(mount_fd, name, size);
        return r < 0 ? r : TAKE_FD(mount_fd);
}
