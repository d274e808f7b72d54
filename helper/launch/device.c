/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/device.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/log.h"
#include "helper/container/mount.h"

/* Numbers by the kernel's Documentation/admin-guide/devices.txt. */
static const struct {
        const char *name;
        unsigned minor;
        unsigned major;
} nodes[] = {
        { "null", 3, 1 },   { "zero", 5, 1 },    { "full", 7, 1 },
        { "random", 8, 1 }, { "urandom", 9, 1 }, { "tty", 0, 5 },
};

static const struct {
        const char *name, *target;
} links[] = {
        { "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
        { "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" },
};

static const char *const directories[] = { "pts", "shm", "mqueue" };

static int give(int fd, const char *name, uid_t uid, gid_t gid) {
        return (uid != 0 || gid != 0) && fchownat(fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Makes the directories before the last part of path, below fd. Returns the last one's descriptor. */
static int make_parents(int fd, char *path, uid_t uid, gid_t gid) {
        int dir_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

        if (dir_fd < 0)
                return -errno;
        for (char *slash; r >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
                int next;

                *slash = '\0';
                if (mkdirat(dir_fd, path, 0755) >= 0)
                        r = give(dir_fd, path, uid, gid);
                else if (errno != EEXIST)
                        r = -errno;
                next = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (r >= 0 && next < 0)
                        r = -errno;
                close_fd(dir_fd);
                dir_fd = next;
        }
        if (r >= 0)
                return dir_fd;
        close_fd(dir_fd);
        return r;
}

/* A node with the numbers of the host's. Whom of the container it serves its manifest does not say: everyone. */
static int add_device(int fd, const DeviceSpec *device, uid_t uid, gid_t gid) {
        _cleanup_free_ char *copy = strdup(device->path + strlen("/dev/"));
        mode_t mode = (device->read ? 0444 : 0) | (device->write ? 0222 : 0);
        _cleanup_close_ int dir_fd = -EBADF;
        const char *name = strrchr(device->path, '/') + 1;
        struct stat st;
        int r;

        if (!copy)
                return log_oom();
        if (stat(device->path, &st) < 0)
                return log_error_errno(errno, "device '%s': the host has none: %m", device->path);
        if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
                return log_error_errno(ENODEV, "device '%s' is no device node", device->path);
        dir_fd = make_parents(fd, copy, uid, gid);
        if (dir_fd < 0)
                return log_error_errno(dir_fd, "device '%s': cannot make its directory: %m", device->path);
        if (mknodat(dir_fd, name, (st.st_mode & S_IFMT) | mode, st.st_rdev) < 0)
                return errno == EEXIST ? log_error_errno(errno,
                                                         "device '%s' is in every container already, or stands "
                                                         "twice; remove it",
                                                         device->path)
                                       : log_error_errno(errno, "device '%s': cannot make its node: %m",
                                                         device->path);
        r = give(dir_fd, name, uid, gid);
        return r < 0 ? log_error_errno(r, "device '%s': %m", device->path) : 0;
}

int device_tmpfs(uid_t uid, gid_t gid, size_t n_devices) {
        char uid_option[32], gid_option[32], inodes_option[48];
        const char *const options[] = {
                "mode=0755", "size=256K", inodes_option, uid_option, gid_option, NULL
        };
        int fd;

        snprintf(inodes_option, sizeof(inodes_option), "nr_inodes=%zu", 128 + 16 * n_devices);
        snprintf(uid_option, sizeof(uid_option), "uid=%u", uid);
        snprintf(gid_option, sizeof(gid_option), "gid=%u", gid);
        fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        return fd < 0 ? log_error_errno(fd, "cannot make a tmpfs for /dev: %m") : fd;
}

int device_fill(int fd, uid_t uid, gid_t gid, const DeviceSpec *devices, size_t n_devices) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(nodes); i++) {
                if (mknodat(fd, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0)
                        return log_error_errno(errno, "cannot make /dev/%s: %m", nodes[i].name);
                r = give(fd, nodes[i].name, uid, gid);
        }
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(links); i++)
                r = symlinkat(links[i].target, fd, links[i].name) < 0 ? -errno : 0;
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(directories); i++) {
                r = mkdirat(fd, directories[i], 0755) < 0 ? -errno : 0;
                if (r >= 0)
                        r = give(fd, directories[i], uid, gid);
        }
        if (r < 0)
                return log_error_errno(r, "cannot fill /dev: %m");
        for (size_t i = 0; r >= 0 && i < n_devices; i++)
                r = add_device(fd, &devices[i], uid, gid);
        return r;
}
