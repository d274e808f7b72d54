/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/image.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"

/* The store's own links are root's, not the container's: they are followed. */
static int open_image_at(const char *path, const char *image) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return TAKE_FD(fd);
        return log_error_errno(
                        ENOTDIR,
                        "image '%s': %s is not a directory; disk images are not supported by this version, "
                        "unpack it into a directory",
                        image, path);
}

static int find_image(const char *image) {
        static const char *const stores[] = { BERTH_DATA_DIR "/images", MACHINES_DIR };

        if (image[0] == '/') {
                int fd = open_image_at(image, image);

                if (fd == -ENOENT)
                        return log_error_errno(fd, "image '%s': no such directory", image);
                if (fd < 0 && fd != -ENOTDIR)
                        return log_error_errno(fd, "image '%s': cannot be opened: %m", image);
                return fd;
        }
        if (!image_id_valid(image))
                return log_error_errno(EINVAL,
                                       "image '%s': not an image ID (a-z 0-9, then also . _ -) and not an "
                                       "absolute path",
                                       image);
        for (size_t i = 0; i < ARRAY_LEN(stores); i++) {
                _cleanup_free_ char *path = NULL;
                int fd;

                if (asprintf(&path, "%s/%s", stores[i], image) < 0)
                        return log_oom();
                fd = open_image_at(path, image);
                if (fd == -ENOENT)
                        continue;
                if (fd < 0 && fd != -ENOTDIR)
                        return log_error_errno(fd, "image '%s': '%s' cannot be opened: %m", image, path);
                return fd;
        }
        return log_error_errno(ENOENT, "image '%s': not found in %s nor in %s; put a root directory there",
                               image, stores[0], stores[1]);
}

int image_open(const char *image) {
        static const char *const no_links[] = { "dev", "proc", "sys", "etc" };
        _cleanup_close_ int fd = -EBADF;

        fd = find_image(image);
        if (fd < 0)
                return fd;
        for (size_t i = 0; i < ARRAY_LEN(no_links); i++) {
                struct stat st;

                if (fstatat(fd, no_links[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
                        if (errno != ENOENT)
                                return log_error_errno(errno, "image '%s': /%s: %m", image, no_links[i]);
                        continue;
                }
                if (!S_ISDIR(st.st_mode))
                        return log_error_errno(
                                        ENOTDIR,
                                        "image '%s': /%s is %s, where a directory is needed; such an image "
                                        "is not started",
                                        image, no_links[i],
                                        S_ISLNK(st.st_mode) ? "a symbolic link" : "no directory");
        }
        return TAKE_FD(fd);
}
