/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/cover.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"
#include "helper/container/mount.h"

/* Opens the path inside; -ENOENT if it is not there and need not be. */
static int open_path(const Root *root, const char *path) {
        bool optional = path[0] == '-';
        int fd = open_in_root(root->fd, path + optional, O_PATH);

        if ((fd == -ENOENT || fd == -ENOTDIR) && optional)
                return -ENOENT;
        if (fd == -ENOENT)
                return log_error_errno(
                                EINVAL,
                                "path '%s' is not there in the container; write '-%s' if it may be missing",
                                path, path);
        return fd < 0 ? log_error_errno(fd == -ENOENT ? EINVAL : fd, "path '%s': cannot be opened: %m", path)
                      : fd;
}

static int make_read_only(Root *root, const char *path) {
        _cleanup_close_ int fd = -EBADF, tree_fd = -EBADF;
        int r;

        fd = open_path(root, path);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        tree_fd = mount_clone_tree(fd, "");
        r = tree_fd < 0 ? tree_fd : mount_set_tree(tree_fd, MOUNT_ATTR_RDONLY);
        if (r >= 0)
                r = root_attach_tree(root, tree_fd, fd);
        return r < 0 ? log_error_errno(r, "path '%s': cannot be made read-only: %m", path) : 0;
}

/* Hides behind an empty directory or file that nobody but root may even look into. */
static int hide(Root *root, const char *path) {
        static const char *const options[] = { "mode=0000", "size=4K", "nr_inodes=4", NULL };
        _cleanup_close_ int fd = -EBADF, tmpfs_fd = -EBADF, file_fd = -EBADF, tree_fd = -EBADF;
        struct stat st;
        int r;

        fd = open_path(root, path);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        if (fstat(fd, &st) < 0)
                return log_error_errno(errno, "path '%s': %m", path);
        tmpfs_fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        r = tmpfs_fd < 0 ? tmpfs_fd : 0;
        if (r >= 0 && S_ISDIR(st.st_mode)) {
                r = mount_set(tmpfs_fd, MOUNT_ATTR_RDONLY);
                if (r >= 0)
                        r = mount_attach(tmpfs_fd, fd);
        } else if (r >= 0) {
                file_fd = openat(tmpfs_fd, "empty", O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
                /* Attached for as long as it is cloned: of a detached mount nothing can be (before Linux 6.15). */
                r = file_fd < 0 ? -errno : mount_attach(tmpfs_fd, root->device_fd);
                if (r >= 0) {
                        tree_fd = mount_clone(tmpfs_fd, "empty");
                        r = tree_fd < 0 ? tree_fd : mount_set(tree_fd, MOUNT_ATTR_RDONLY);
                        if (r >= 0)
                                r = mount_attach(tree_fd, fd);
                        (void) mount_detach(tmpfs_fd);
                }
        }
        if (r < 0)
                return log_error_errno(r, "path '%s': cannot be hidden: %m", path);
        root->attached++;
        return 0;
}

int cover_paths(Root *root) {
        int r = 0;

        for (char *const *path = root->plan->read_only_paths; r >= 0 && path && *path; path++)
                r = make_read_only(root, *path);
        for (char *const *path = root->plan->inaccessible_paths; r >= 0 && path && *path; path++)
                r = hide(root, *path);
        return r;
}
