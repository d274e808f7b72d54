/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/device.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/log.h"
#include "helper/mount.h"

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

int device_tmpfs(uid_t uid, gid_t gid) {
        char uid_option[32], gid_option[32];
        const char *const options[] = { "mode=0755", "size=256K", "nr_inodes=128",
                                        uid_option,  gid_option,  NULL };
        _cleanup_close_ int fd = -EBADF;
        int r = 0;

        snprintf(uid_option, sizeof(uid_option), "uid=%u", uid);
        snprintf(gid_option, sizeof(gid_option), "gid=%u", gid);
        fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        if (fd < 0)
                return log_error_errno(fd, "Cannot make a tmpfs for /dev: %m");
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(nodes); i++) {
                if (mknodat(fd, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0)
                        return log_error_errno(errno, "Cannot make /dev/%s: %m", nodes[i].name);
                r = give(fd, nodes[i].name, uid, gid);
        }
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(links); i++)
                r = symlinkat(links[i].target, fd, links[i].name) < 0 ? -errno : 0;
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(directories); i++) {
                r = mkdirat(fd, directories[i], 0755) < 0 ? -errno : 0;
                if (r >= 0)
                        r = give(fd, directories[i], uid, gid);
        }
        return r < 0 ? log_error_errno(r, "Cannot fill /dev: %m") : TAKE_FD(fd);
}
