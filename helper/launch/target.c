/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/target.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/strv.h"
#include "helper/container/mount.h"

/* Makes and opens the parent of a target; its last component goes to *ret_name. */
static int open_parent(int root_fd, const char *path, char **ret_name) {
        _cleanup_free_ char *parent = strdup(path);
        char *slash;
        int fd;

        if (!parent)
                return -ENOMEM;
        for (size_t n = strlen(parent); n > 1 && parent[n - 1] == '/'; n--)
                parent[n - 1] = '\0';
        slash = strrchr(parent, '/');
        *slash = '\0';
        fd = make_path_in_root(root_fd, parent);
        if (fd < 0)
                return fd;
        *ret_name = strdup(slash + 1);
        if (*ret_name)
                return fd;
        close_fd(fd);
        return -ENOMEM;
}

int target_open(int root_fd, const char *target, bool directory) {
        _cleanup_close_ int fd = -EBADF, parent_fd = -EBADF;
        _cleanup_free_ char *name = NULL;
        struct stat st;

        fd = open_in_root(root_fd, target, O_PATH);
        if (fd >= 0) {
                if (fstat(fd, &st) < 0)
                        return -errno;
                if (S_ISDIR(st.st_mode) == directory)
                        return TAKE_FD(fd);
        } else if (fd != -ENOENT)
                return fd;

        parent_fd = open_parent(root_fd, target, &name);
        if (parent_fd < 0)
                return parent_fd;
        if (fd >= 0) {
                if (!directory && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0)
                        return -EISDIR;
                if (directory &&
                    (!S_ISREG(st.st_mode) || st.st_size > 0 || unlinkat(parent_fd, name, 0) < 0))
                        return -ENOTDIR;
                fd = close_fd(fd);
        }
        if (directory)
                return make_path(parent_fd, name, 0755);
        fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        return fd < 0 ? -errno : TAKE_FD(fd);
}

int target_tmpfs(const MountSpec *mount) {
        _cleanup_strv_ char **options = NULL;
        _cleanup_free_ char *copy = strdup(mount->options ? mount->options : "");
        char *rest = copy, *word;
        int r;

        if (!copy)
                return -ENOMEM;
        while ((word = strsep(&rest, ","))) {
                r = *word ? strv_append(&options, word) : 0;
                if (r < 0)
                        return r;
        }
        return mount_new("tmpfs", (const char *const *) options,
                         MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (mount->read_only ? MOUNT_ATTR_RDONLY : 0));
}
