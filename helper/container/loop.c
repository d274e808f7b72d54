/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/loop.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "common/log.h"

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
