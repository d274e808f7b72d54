/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/loop.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/directory.h"
#include "common/log.h"
#include "common/parse.h"

#define RETRIES 64

/* Returns the device's number, and its descriptor in *ret_fd: with the last one closed and the last mount gone, the
 * kernel gives it back. */
static int attach(int file_fd, const Loop *loop, int *ret_fd) {
        const struct loop_config config = {
                .fd = (uint32_t) file_fd,
                .info = { .lo_flags = LO_FLAGS_AUTOCLEAR | (loop->writable ? 0 : LO_FLAGS_READ_ONLY),
                          .lo_offset = loop->offset,
                          .lo_sizelimit = loop->size },
        };
        _cleanup_close_ int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

        if (control_fd < 0)
                return -errno;
        /* Between the two calls the device may become another's: then the next one. */
        for (unsigned i = 0; i < RETRIES; i++) {
                int number = ioctl(control_fd, LOOP_CTL_GET_FREE);
                _cleanup_close_ int fd = -EBADF;
                char path[32];

                if (number < 0)
                        return -errno;
                snprintf(path, sizeof(path), "/dev/loop%d", number);
                fd = open(path, (loop->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
                if (fd < 0)
                        return -errno;
                if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
                        *ret_fd = TAKE_FD(fd);
                        return number;
                }
                if (errno != EBUSY)
                        return -errno;
        }
        return -EBUSY;
}

int loop_attach(int file_fd, const Loop *loop, const char *name, int *ret_fd) {
        int number = attach(file_fd, loop, ret_fd);

        if (number == -ENOENT || number == -ENXIO)
                return log_error_errno(number, "%s: there are no loop devices; load the kernel module loop",
                                       name);
        return number < 0 ? log_error_errno(number, "%s: no loop device can be set up: %m", name) : number;
}

/* Does the device, which stays what it is while it is open, show that file? loop(4): by device and inode. */
static bool shows(int fd, const struct stat *file) {
        struct loop_info64 info;

        return ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file->st_dev &&
               info.lo_inode == file->st_ino;
}

int loop_find(int file_fd, int *ret_fd) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        struct stat file;
        int r;

        if (fstat(file_fd, &file) < 0)
                return -errno;
        r = directory_open(AT_FDCWD, "/sys/block", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                const char *number = startswith(entry->d_name, "loop");
                _cleanup_close_ int fd = -EBADF;
                char path[32];
                uint32_t n;

                if (!number || parse_uint32(number, &n) < 0)
                        continue;
                snprintf(path, sizeof(path), "/dev/loop%u", n);
                /* not for writing: udev looks into a device again that was */
                fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
                if (fd < 0 && errno != ENOENT && errno != ENXIO)
                        return -errno;
                if (fd >= 0 && shows(fd, &file)) {
                        *ret_fd = TAKE_FD(fd);
                        return (int) n;
                }
        }
        return r < 0 ? r : -ENOENT;
}
