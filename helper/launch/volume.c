/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/volume.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "helper/container/copy.h"
#include "helper/container/data.h"
#include "helper/container/mount.h"
#include "helper/launch/patience.h"
#include "helper/launch/target.h"

/* Makes the volume beside its place and renames it in, so that a kill leaves either none or a whole one. */
static int make_volume(int dir_fd, const char *volume, const MountSpec *mount, int image_fd) {
        _cleanup_free_ char *unfinished = NULL;
        _cleanup_close_ int new_fd = -EBADF, model_fd = -EBADF;
        int r;

        if (asprintf(&unfinished, ".new-%s", volume) < 0)
                return -ENOMEM;
        r = remove_tree(dir_fd, unfinished);
        if (r < 0)
                return r;
        new_fd = make_path(dir_fd, unfinished, 0755);
        if (new_fd < 0)
                return new_fd;
        /* What the image has at the target is a volume's first content: of a volume, whole. */
        model_fd = mount->type == MOUNT_VOLUME && !mount->subpath
                                   ? open_in_root(image_fd, mount->target, O_RDONLY | O_DIRECTORY)
                                   : -ENOENT;
        if (model_fd >= 0) {
                r = copy_directory(model_fd, new_fd);
                if (r < 0)
                        return r;
        } else if (model_fd != -ENOENT && model_fd != -ENOTDIR && model_fd != -ELOOP)
                return model_fd;
        if (renameat2(dir_fd, unfinished, dir_fd, volume, RENAME_NOREPLACE) < 0)
                return -errno;
        return 0;
}

/* The directory that holds sources of that type, for a container where they have owners. All of it is made 0700: what
 * lies below is not for users of the host. */
static int open_store(const char *name, const MountSpec *mount) {
        static const char *const stores[_MOUNT_TYPE_MAX] = {
                [MOUNT_VOLUME] = "volumes",
                [MOUNT_POINTER] = "volumes",
                [MOUNT_ASSETS] = "assets",
                [MOUNT_BACKUP] = "backup",
        };
        _cleanup_close_ int store_fd = -EBADF;
        const char *colon = strchr(mount->source, ':');
        char owner[NAME_LENGTH_MAX + 1];

        snprintf(owner, sizeof(owner), "%s", name);
        if (colon)
                snprintf(owner, sizeof(owner), "%.*s", (int) (colon - mount->source), mount->source);
        if (!name_valid(owner, false))
                return -EINVAL;
        store_fd = data_open(stores[mount->type]);
        if (store_fd < 0 || mount->type == MOUNT_ASSETS) /* of nobody */
                return store_fd < 0 ? store_fd : TAKE_FD(store_fd);
        return make_path(store_fd, owner, 0700);
}

static int open_kept(const char *name, MountSpec *mount, int image_fd) {
        const char *colon = strchr(mount->source, ':'), *source = colon ? colon + 1 : mount->source;
        _cleanup_close_ int dir_fd = -EBADF;
        int r, fd;

        dir_fd = open_store(name, mount);
        if (dir_fd < 0)
                return dir_fd;
        if (flock(dir_fd, LOCK_SH | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        /* A pointer's is the other container's to make. */
        if (mount->type != MOUNT_POINTER && faccessat(dir_fd, source, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
                _cleanup_patience_ Patience patience = patience_begin("Filling a new volume");

                r = make_volume(dir_fd, source, mount, image_fd);
                if (r < 0)
                        return r;
        }
        fd = openat(dir_fd, source, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        close_fd(mount->lock_fd);
        mount->lock_fd = TAKE_FD(dir_fd);
        return fd;
}

static int make_bind_source(const MountSpec *mount) {
        _cleanup_close_ int fd = -EBADF, parent_fd = -EBADF;
        _cleanup_free_ char *parent = NULL;
        char *slash;

        if (mount->file_type != FILE_FILE) {
                fd = make_path(AT_FDCWD, mount->source, 0755);
                return MIN(fd, 0);
        }
        parent = strdup(mount->source);
        if (!parent)
                return -ENOMEM;
        slash = strrchr(parent, '/');
        *slash = '\0';
        parent_fd = make_path(AT_FDCWD, *parent ? parent : "/", 0755);
        if (parent_fd < 0)
                return parent_fd;
        fd = openat(parent_fd, slash + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        return fd < 0 ? -errno : 0;
}

static int open_bind(const MountSpec *mount) {
        int fd, r;

        fd = open(mount->source, O_PATH | O_CLOEXEC);
        if (fd >= 0)
                return fd;
        if (errno != ENOENT || !mount->create)
                return -errno;
        r = make_bind_source(mount);
        if (r < 0)
                return r;
        fd = open(mount->source, O_PATH | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Opens Subpath= inside of the source, whose content is the container's and so may be hostile: no link leads out. */
static int open_subpath(const MountSpec *mount, int source_fd) {
        _cleanup_free_ char *path = NULL;
        int fd = open_in_root(source_fd, mount->subpath, O_PATH);

        if (fd != -ENOENT || mount->type == MOUNT_POINTER || (mount->type == MOUNT_BIND && !mount->create))
                return fd;
        if (asprintf(&path, "/%s", mount->subpath) < 0)
                return -ENOMEM;
        fd = target_open(source_fd, path, mount->file_type != FILE_FILE);
        close_fd(fd);
        return fd < 0 ? fd : open_in_root(source_fd, mount->subpath, O_PATH);
}

static const char *const kinds[_MOUNT_TYPE_MAX] = {
        [MOUNT_VOLUME] = "volume",   [MOUNT_BIND] = "bind source", [MOUNT_ASSETS] = "assets",
        [MOUNT_POINTER] = "pointer", [MOUNT_BACKUP] = "backup",
};

/* Opens what is to be mounted, whichever kind it is. */
static int open_source(const char *name, MountSpec *mount, int image_fd) {
        _cleanup_close_ int source_fd = -EBADF;
        const char *kind = kinds[mount->type];
        int fd;

        source_fd = mount->type == MOUNT_BIND ? open_bind(mount) : open_kept(name, mount, image_fd);
        if (source_fd == -ENOENT && mount->type == MOUNT_BIND)
                return log_error_errno(
                                source_fd,
                                "bind source '%s' does not exist; make it, or set Create=yes in the mount",
                                mount->source);
        if (source_fd == -ENOENT && mount->type == MOUNT_POINTER)
                return log_error_errno(
                                source_fd,
                                "pointer '%s': the other container has no such volume; start that once, or "
                                "name another",
                                mount->source);
        if (source_fd == -EBUSY)
                return log_error_errno(source_fd, "%s '%s' is just being restored or removed; try again",
                                       kind, mount->source);
        if (source_fd < 0)
                return log_error_errno(source_fd, "%s '%s' cannot be opened: %m", kind, mount->source);
        if (!mount->subpath)
                return TAKE_FD(source_fd);
        fd = open_subpath(mount, source_fd);
        return fd < 0 ? log_error_errno(fd, "%s '%s': Subpath=%s cannot be opened: %m", kind, mount->source,
                                        mount->subpath)
                      : fd;
}

int volume_open(const char *name, MountSpec *mount, int image_fd) {
        _cleanup_close_ int source_fd = -EBADF, tree_fd = -EBADF;
        uint64_t attributes =
                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (mount->read_only ? MOUNT_ATTR_RDONLY : 0);
        const char *kind = kinds[mount->type];
        struct stat st;
        int r;

        source_fd = open_source(name, mount, image_fd);
        if (source_fd < 0)
                return source_fd;
        if (fstat(source_fd, &st) < 0)
                return log_error_errno(errno, "%s '%s': %m", kind, mount->source);
        if ((mount->file_type == FILE_FILE && !S_ISREG(st.st_mode)) ||
            (mount->file_type == FILE_DIRECTORY && !S_ISDIR(st.st_mode)))
                return log_error_errno(EINVAL, "%s '%s' is not a %s, as FileType= says", kind, mount->source,
                                       mount->file_type == FILE_FILE ? "regular file" : "directory");
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && mount->type != MOUNT_BIND)
                return log_error_errno(EINVAL, "%s '%s' is neither a file nor a directory", kind,
                                       mount->source);
        tree_fd = (mount->recursive ? mount_clone_tree : mount_clone)(source_fd, "");
        if (tree_fd < 0)
                return log_error_errno(tree_fd, "%s '%s' cannot be bound: %m", kind, mount->source);
        r = (mount->recursive ? mount_set_tree : mount_set)(tree_fd, attributes);
        if (r < 0)
                return log_error_errno(r, "%s '%s': setting mount attributes failed: %m", kind,
                                       mount->source);
        return TAKE_FD(tree_fd);
}
