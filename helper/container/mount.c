/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/mount.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "common/fs.h"

#define MOUNTINFO_MAX (16 * 1024 * 1024)

static int clone_mounts(int dir_fd, const char *path, unsigned recursive) {
        _cleanup_close_ int fd = -EBADF;
        struct mount_attr attr = { .propagation = MS_PRIVATE };

        fd = open_tree(dir_fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive);
        if (fd < 0)
                return -errno;
        if (mount_setattr(fd, "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int mount_clone(int dir_fd, const char *path) {
        return clone_mounts(dir_fd, path, 0);
}

int mount_clone_tree(int dir_fd, const char *path) {
        return clone_mounts(dir_fd, path, AT_RECURSIVE);
}

static int set_attributes(int mount_fd, uint64_t attributes, int userns_fd, unsigned recursive) {
        struct mount_attr attr = { .attr_set = attributes, .userns_fd = (uint64_t) MAX(userns_fd, 0) };

        return mount_setattr(mount_fd, "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int mount_set(int mount_fd, uint64_t attributes) {
        return set_attributes(mount_fd, attributes, -EBADF, 0);
}

int mount_set_tree(int mount_fd, uint64_t attributes) {
        return set_attributes(mount_fd, attributes, -EBADF, AT_RECURSIVE);
}

int mount_map_ids(int mount_fd, int userns_fd) {
        return set_attributes(mount_fd, MOUNT_ATTR_IDMAP, userns_fd, 0);
}

int mount_map_ids_tree(int mount_fd, int userns_fd) {
        return set_attributes(mount_fd, MOUNT_ATTR_IDMAP, userns_fd, AT_RECURSIVE);
}

/* listmount(2), since Linux 6.8, and unknown to older headers. -ENOSYS. */
static int count_listed(unsigned *ret) {
        struct {
                uint32_t size, spare;
                uint64_t mount, after;
        } request = { .size = sizeof(request), .mount = UINT64_MAX /* LSMT_ROOT */ };
        uint64_t ids[128];
        long n;

        *ret = 0;
        do {
                n = syscall(458, &request, ids, ARRAY_LEN(ids), 0); /* the same on every architecture */
                if (n < 0)
                        return -errno;
                *ret += (unsigned) n;
                request.after = n > 0 ? ids[n - 1] : 0;
        } while (n == ARRAY_LEN(ids));
        return 0;
}

int mount_count(int proc_fd, unsigned *ret) {
        _cleanup_free_ char *text = NULL;
        unsigned lines = 0;
        int r;

        if (count_listed(ret) >= 0)
                return 0;
        r = read_file_at(proc_fd, "self/mountinfo", MOUNTINFO_MAX, &text, NULL);
        if (r < 0)
                return r;
        for (const char *p = text; (p = strchr(p, '\n')); p++)
                lines++;
        *ret = lines;
        return 0;
}

void mount_unescape(char *s) {
        char *to = s;

        for (; *s; s++)
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
                    s[3] >= '0' && s[3] <= '7') {
                        *to++ = (char) ((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
                        s += 3;
                } else
                        *to++ = *s;
        *to = '\0';
}

int mount_attach(int mount_fd, int target_fd) {
        unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

        return move_mount(mount_fd, "", target_fd, "", flags) < 0 ? -errno : 0;
}

int mount_detach(int mount_fd) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", mount_fd);
        return umount2(path, MNT_DETACH) < 0 ? -errno : 0;
}

static int configure(int fs_fd, const char *option) {
        char key[64];
        const char *eq = strchr(option, '=');
        size_t n = eq ? (size_t) (eq - option) : strlen(option);

        if (n >= sizeof(key))
                return -EINVAL;
        memcpy(key, option, n);
        key[n] = '\0';
        if (fsconfig(fs_fd, eq ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, eq ? eq + 1 : NULL, 0) < 0)
                return -errno;
        return 0;
}

int mount_new(const char *type, const char *const options[], uint64_t attributes) {
        _cleanup_close_ int fs_fd = -EBADF;
        int mount_fd, r;

        fs_fd = fsopen(type, FSOPEN_CLOEXEC);
        if (fs_fd < 0)
                return -errno;
        for (size_t i = 0; options && options[i]; i++) {
                r = configure(fs_fd, options[i]);
                if (r < 0)
                        return r;
        }
        if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned) attributes);
        return mount_fd < 0 ? -errno : mount_fd;
}

bool mount_is(int fd, long magic) {
        struct statfs fs;

        return fstatfs(fd, &fs) == 0 && (long) fs.f_type == magic;
}
