/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/output.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"

void output_done(Output *o) {
        free(o->links);
        close_fd(o->links_fd);
        close_fd(o->dir_fd);
        *o = (Output){ .dir_fd = -EBADF, .links_fd = -EBADF };
}

int output_open(Output *o, const char *path) {
        *o = (Output){ .dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .links_fd = -EBADF };
        if (o->dir_fd < 0)
                return log_error_errno(errno, "cannot open the directory '%s': %m", path);
        /* systemd reads no name that ends so. */
        snprintf(o->temporary, sizeof(o->temporary), ".berth-generator-%d.tmp", getpid());
        (void) unlinkat(o->dir_fd, o->temporary, 0); /* of a run that was killed and had our pid */
        return 0;
}

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

/* Makes and opens a file that nobody else writes. */
static int open_temporary(const Output *o) {
        int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, fd;

        fd = openat(o->dir_fd, o->temporary, flags, 0644);
        return fd < 0 ? -errno : fd;
}

/* The quick way, of which nothing can be left behind: a file that has no name until it is whole. false, with nothing
 * done, where the file system, our rights (before Linux 6.10 it takes CAP_DAC_READ_SEARCH) or a file that has the
 * name already do not let us; then it goes by a temporary name. */
static bool write_unnamed(const Output *o, const char *name, const char *text, size_t size) {
        _cleanup_close_ int fd = openat(o->dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);

        return fd >= 0 && write_fd(fd, text, size) >= 0 &&
               linkat(fd, "", o->dir_fd, name, AT_EMPTY_PATH) == 0;
}

static int move_into_place(const Output *o, const char *name) {
        if (renameat2(o->dir_fd, o->temporary, o->dir_fd, name, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        if (!is_ours(o->dir_fd, name))
                return -EEXIST;
        return renameat(o->dir_fd, o->temporary, o->dir_fd, name) < 0 ? -errno : 0;
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

int output_mask(const Output *o, const char *unit) {
        int r = make_link(o->dir_fd, unit, "/dev/null");

        return r < 0 ? log_error_errno(r, "cannot mask '%s': %m", unit) : 0;
}

/* Opens a directory of links, NAME of size bytes, made if need be. Most services are wanted by the same target:
 * the last one stays open. */
static int open_links(Output *o, const char *name, size_t size) {
        _cleanup_free_ char *copy = NULL;
        int fd;

        if (o->links && strlen(o->links) == size && memcmp(o->links, name, size) == 0)
                return o->links_fd;
        copy = strndup(name, size);
        if (!copy)
                return -ENOMEM;
        if (mkdirat(o->dir_fd, copy, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(o->dir_fd, copy, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        free(o->links);
        close_fd(o->links_fd);
        o->links = TAKE_PTR(copy);
        o->links_fd = fd;
        return fd;
}

/* Writes a file by a path that is NAME or DIRECTORY/NAME. */
static int write_unit(Output *o, const char *path, const char *text, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        const char *slash = strchr(path, '/');
        int r = 0;

        if (slash)
                r = open_links(o, path, (size_t) (slash - path)); /* no link to elsewhere is followed */
        if (r >= 0 && write_unnamed(o, path, text, size))
                return 0;
        if (r >= 0)
                r = fd = open_temporary(o);
        if (r < 0)
                return log_error_errno(r, "cannot make a file for '%s': %m", path);
        r = write_fd(fd, text, size);
        if (r >= 0)
                r = move_into_place(o, path);
        if (r >= 0)
                return 0;
        (void) unlinkat(o->dir_fd, o->temporary, 0);
        if (r == -EEXIST)
                return log_error_errno(r, "Another generator has written '%s' already; rename the manifest",
                                       path);
        return log_error_errno(r, "cannot write '%s': %m", path);
}

/* Makes a link whose path is NAME or DIRECTORY/NAME. */
static int write_link(Output *o, const Link *link) {
        const char *slash = strchr(link->path, '/');
        int fd = slash ? open_links(o, link->path, (size_t) (slash - link->path)) : o->dir_fd;

        return fd < 0 ? fd : make_link(fd, slash ? slash + 1 : link->path, link->target);
}

int output_write(Output *o, const Service *service) {
        int r;

        r = write_unit(o, service->unit, service->text, service->size);
        if (r < 0)
                return r; /* links to what is not there, or not ours, would do harm */
        for (size_t i = 0; i < service->further.n; i++) {
                const FurtherUnit *unit = &service->further.list[i];
                int k = write_unit(o, unit->path, unit->text, unit->size);

                r = k < 0 ? k : r;
        }
        for (size_t i = 0; i < service->links.n; i++) {
                int k = write_link(o, &service->links.list[i]);

                if (k < 0)
                        r = log_error_errno(k, "cannot make the link '%s': %m", service->links.list[i].path);
        }
        return r;
}
