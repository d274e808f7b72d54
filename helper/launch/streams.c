/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/streams.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "common/log.h"
#include "helper/container/mount.h"

static const char *const names[] = { "standard input", "standard output", "standard error" };

bool stream_is_null(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

int stream_make_read_only(int fd) {
        _cleanup_close_ int mount_fd = mount_clone(fd, ""), new_fd = -EBADF;
        int r = mount_fd < 0 ? mount_fd : mount_set(mount_fd, MOUNT_ATTR_RDONLY);
        off_t at = lseek(fd, 0, SEEK_CUR);
        char path[64];

        if (r < 0)
                return r;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", mount_fd);
        new_fd = open(path,
                      O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); /* a FIFO may have no writer left */
        if (new_fd < 0 || fcntl(new_fd, F_SETFL, fcntl(fd, F_GETFL) & O_NONBLOCK) < 0)
                return -errno;
        if (at > 0 && lseek(new_fd, at, SEEK_SET) < 0)
                return -errno;
        return dup3(new_fd, fd, fcntl(fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0) < 0 ? -errno : 0;
}

/* Does it have a name on the host, by which others use it as well? */
static bool is_file(int fd, const struct stat *st) {
        if (S_ISSOCK(st->st_mode) || (S_ISFIFO(st->st_mode) && mount_is(fd, PIPEFS_MAGIC)))
                return false;
        return st->st_nlink > 0 && !stream_is_null(st);
}

bool streams_lead_to_files(void) {
        struct stat st;

        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
                if (fstat(fd, &st) >= 0 && is_file(fd, &st))
                        return true;
        return false;
}

int streams_protect(void) {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
                int flags = fcntl(fd, F_GETFL), r;
                struct stat st;

                if (flags < 0 || fstat(fd, &st) < 0)
                        return log_error_errno(errno, "cannot look at %s: %m", names[fd]);
                if (S_ISDIR(st.st_mode) || (flags & O_PATH))
                        return log_error_errno(
                                        EINVAL,
                                        "%s is a directory or an O_PATH descriptor: refusing to hand it in",
                                        names[fd]);
                /* a terminal is to be one inside as well */
                if (fd != STDIN_FILENO || !is_file(fd, &st) || isatty(fd))
                        continue;
                r = stream_make_read_only(fd);
                if (r < 0)
                        return log_error_errno(
                                        r,
                                        "the file that is standard input cannot be made read-only for the container "
                                        "(%m); give it through a pipe");
        }
        return 0;
}

int streams_take_null(int dev_fd) {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
                _cleanup_close_ int own_fd = -EBADF;
                struct stat st;

                if (fstat(fd, &st) < 0)
                        return -errno;
                if (!stream_is_null(&st))
                        continue;
                own_fd = openat(dev_fd, "null", (fcntl(fd, F_GETFL) & O_ACCMODE) | O_CLOEXEC);
                if (own_fd < 0 || dup2(own_fd, fd) < 0)
                        return -errno;
        }
        return 0;
}
