/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/image.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "helper/container/disk.h"
#include "helper/container/environment.h"

#define IMAGES       BERTH_DATA_DIR "/images"
#define NAMES        IMAGES "/.store/names"
#define LINK_TO_NAME ".store/names/%s/root" /* what stands at the ID of an imported image, see store.h */

void image_done(Image *image) {
        close_fd(image->fd);
        metadata_done(&image->metadata);
}

/* The store's own links are root's, not the container's: they are followed. A disk image is opened to be read. */
static int open_root(int dir_fd, const char *path, bool disk) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return TAKE_FD(fd);
        if (!disk || !S_ISREG(st.st_mode))
                return -ENOTDIR;
        fd = close_fd(fd);
        fd = openat(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -ENOTDIR;
}

static int refuse(const char *name, const char *path, int error) {
        if (error == -ENOTDIR && image_is_disk(name))
                return log_error_errno(error, "image '%s': %s is neither a directory nor a file", name,
                                       path);
        if (error == -ENOTDIR)
                return log_error_errno(
                                error,
                                "image '%s': %s is not a directory; the name of a disk image ends in .raw, "
                                ".squashfs or .erofs, so that its unit may use loop devices: rename it",
                                name, path);
        if (error == -ENOENT)
                return log_error_errno(error, "image '%s': no such %s", name,
                                       image_is_disk(name) ? "file" : "directory");
        return log_error_errno(error, "image '%s': '%s' cannot be opened: %m", name, path);
}

static bool is_imported(const char *name) {
        char wanted[PATH_MAX], target[PATH_MAX];
        _cleanup_free_ char *path = NULL;
        ssize_t n;

        if (asprintf(&path, IMAGES "/%s", name) < 0)
                return false;
        snprintf(wanted, sizeof(wanted), LINK_TO_NAME, name);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return false;
        target[n] = '\0';
        return streq(target, wanted);
}

/* An import exchanges root and configuration by one link, which is followed once. */
static int open_imported(const char *name, Image *image) {
        _cleanup_free_ char *path = NULL, *json = NULL;
        _cleanup_close_ int entry_fd = -EBADF;

        if (asprintf(&path, NAMES "/%s", name) < 0 || asprintf(&json, IMAGES "/%s.json", name) < 0)
                return log_oom();
        entry_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        image->fd = entry_fd < 0 ? -errno : open_root(entry_fd, "root", image_is_disk(name));
        return image->fd < 0 ? refuse(name, path, image->fd)
                             : metadata_read(entry_fd, "config.json", json, &image->metadata);
}

static int open_path(const char *name, Image *image) {
        image->fd = open_root(AT_FDCWD, name, image_is_disk(name));
        return image->fd < 0 ? refuse(name, name, image->fd) : 0;
}

/* What somebody put there by hand. */
static int open_kept(const char *name, Image *image) {
        static const char *const stores[] = { IMAGES, MACHINES_DIR };
        _cleanup_free_ char *json = NULL;

        for (size_t i = 0; i < ARRAY_LEN(stores); i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", stores[i], name) < 0)
                        return log_oom();
                image->fd = open_root(AT_FDCWD, path, image_is_disk(name));
                if (image->fd >= 0)
                        break;
                if (image->fd != -ENOENT)
                        return refuse(name, path, image->fd);
        }
        if (image->fd < 0)
                return log_error_errno(
                                ENOENT,
                                "image '%s': not found in %s nor in %s; berth image import makes one, "
                                "or put a root directory or a disk image there",
                                name, stores[0], stores[1]);
        if (asprintf(&json, IMAGES "/%s.json", name) < 0)
                return log_oom();
        return metadata_read(AT_FDCWD, json, json, &image->metadata);
}

static int find_image(const char *name, Image *image) {
        _cleanup_free_ char *env = NULL;
        int r;

        if (name[0] == '/')
                return open_path(name, image);
        if (!image_id_valid(name))
                return log_error_errno(EINVAL,
                                       "image '%s': not an image ID (a-z 0-9, then also . _ -) and not an "
                                       "absolute path",
                                       name);
        r = (is_imported(name) ? open_imported : open_kept)(name, image);
        if (r < 0)
                return r;
        if (asprintf(&env, IMAGES "/%s.env", name) < 0)
                return log_oom();
        return access(env, F_OK) == 0 ? environment_load(env, &image->metadata.env) : 0;
}

static int check_root(const char *name, int fd) {
        static const char *const no_links[] = { "dev", "proc", "sys", "etc" };

        for (size_t i = 0; i < ARRAY_LEN(no_links); i++) {
                struct stat st;

                if (fstatat(fd, no_links[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
                        if (errno != ENOENT)
                                return log_error_errno(errno, "image '%s': /%s: %m", name, no_links[i]);
                        continue;
                }
                if (!S_ISDIR(st.st_mode))
                        return log_error_errno(
                                        ENOTDIR,
                                        "image '%s': /%s is %s, where a directory is needed; such an image "
                                        "is not started",
                                        name, no_links[i],
                                        S_ISLNK(st.st_mode) ? "a symbolic link" : "no directory");
        }
        return 0;
}

static int mount_disk(const char *name, Image *image) {
        _cleanup_close_ int file_fd = TAKE_FD(image->fd);
        Disk disk;
        int r;

        r = disk_look(file_fd, &disk);
        if (r == -ENOTUNIQ)
                return log_error_errno(
                                r,
                                "image '%s': has several partitions, of which none is marked as the root "
                                "of this architecture; mark it (sfdisk --part-type), or make an image of "
                                "its file system alone",
                                name);
        if (r == -EMEDIUMTYPE)
                return log_error_errno(
                                r,
                                "image '%s': holds no file system that is known here (ext4, xfs, btrfs, "
                                "squashfs, erofs), neither alone nor in a partition",
                                name);
        if (r < 0)
                return log_error_errno(r, "image '%s': cannot be read: %m", name);
        image->fd = disk_mount(file_fd, &disk, name);
        image->mounted = true;
        return image->fd < 0 ? image->fd : 0;
}

static int mount_if_disk(const char *name, Image *image) {
        struct stat st;

        if (fstat(image->fd, &st) < 0)
                return log_error_errno(errno, "image '%s': %m", name);
        return S_ISREG(st.st_mode) ? mount_disk(name, image) : 0;
}

int image_open(const char *name, Image *ret) {
        _cleanup_image_ Image image = IMAGE_NONE;
        int r;

        r = find_image(name, &image);
        if (r >= 0)
                r = mount_if_disk(name, &image);
        if (r >= 0)
                r = check_root(name, image.fd);
        if (r < 0)
                return r;
        *ret = image;
        image = IMAGE_NONE;
        return 0;
}
