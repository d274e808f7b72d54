/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/output.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"

/* Is the file that has our name one that a run of ours wrote? */
static bool is_ours(int dir_fd, const char *name) {
        static const char mark[] = OUTPUT_MARK;
        _cleanup_close_ int fd = -EBADF;
        char begin[sizeof(mark) - 1];
        struct stat st;

        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return false;
        return read(fd, begin, sizeof(begin)) == sizeof(begin) && memcmp(begin, mark, sizeof(begin)) == 0;
}

/* Makes and opens a file that nobody else writes. systemd reads no name that ends so. */
static int open_temporary(int dir_fd, char ret_name[static NAME_MAX + 1]) {
        int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, fd;

        snprintf(ret_name, NAME_MAX + 1, ".berth-generator-%d.tmp", getpid());
        fd = openat(dir_fd, ret_name, flags, 0644);
        if (fd < 0 && errno == EEXIST) { /* of a run that was killed and had our pid */
                (void) unlinkat(dir_fd, ret_name, 0);
                fd = openat(dir_fd, ret_name, flags, 0644);
        }
        return fd < 0 ? -errno : fd;
}

static int move_into_place(int dir_fd, const char *temporary, const char *name) {
        if (renameat2(dir_fd, temporary, dir_fd, name, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        if (!is_ours(dir_fd, name))
                return -EEXIST;
        return renameat(dir_fd, temporary, dir_fd, name) < 0 ? -errno : 0;
}

static int write_unit(int dir_fd, const Service *service) {
        char temporary[NAME_MAX + 1];
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = open_temporary(dir_fd, temporary);
        if (fd < 0)
                return log_error_errno(fd, "Failed to make a file for '%s': %m", service->unit);
        r = write_fd(fd, service->text, service->size);
        if (r >= 0)
                r = move_into_place(dir_fd, temporary, service->unit);
        if (r >= 0)
                return 0;
        (void) unlinkat(dir_fd, temporary, 0);
        if (r == -EEXIST)
                return log_error_errno(r, "Another generator has written '%s' already; rename the manifest",
                                       service->unit);
        return log_error_errno(r, "Failed to write '%s': %m", service->unit);
}

/* Makes one link, or finds it made. */
static int make_link(int dir_fd, const char *name, const char *target) {
        char there[PATH_MAX];
        ssize_t n;

        if (symlinkat(target, dir_fd, name) == 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        n = readlinkat(dir_fd, name, there, sizeof(there));
        return n == (ssize_t) strlen(target) && memcmp(there, target, (size_t) n) == 0 ? 0 : -EEXIST;
}

/* Makes a link whose path is NAME or DIRECTORY/NAME. */
static int write_link(int dir_fd, const Link *link) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *directory = NULL;
        const char *slash = strchr(link->path, '/');

        if (!slash)
                return make_link(dir_fd, link->path, link->target);
        directory = strndup(link->path, (size_t) (slash - link->path));
        if (!directory)
                return -ENOMEM;
        if (mkdirat(dir_fd, directory, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(dir_fd, directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : make_link(fd, slash + 1, link->target);
}

int output_write(int dir_fd, const Service *service) {
        int r;

        r = write_unit(dir_fd, service);
        if (r < 0)
                return r; /* links to what is not there, or not ours, would do harm */
        for (size_t i = 0; i < service->links.n; i++) {
                int k = write_link(dir_fd, &service->links.list[i]);

                if (k < 0)
                        r = log_error_errno(k, "Failed to make the link '%s': %m",
                                            service->links.list[i].path);
        }
        return r;
}
