/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/layer-copy.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "helper/storage/numbers.h"
#include "helper/text/printable.h"

#define BUFFER_SIZE    ((size_t) 256 * 1024)
#define NAMES_SIZE_MAX 65536 /* XATTR_LIST_MAX, and XATTR_SIZE_MAX below it */
#define VALUE_SIZE_MAX 65536
#define DEPTH_MAX      1024 /* two descriptors and a little stack for each */

typedef struct LayerCopy {
        const char *name;
        int top_fd; /* of the copy */
        dev_t device;
        Numbers links; /* inodes with several names: where the first of them is, below top_fd */
        char *buffer, *names, *value;
        Progress *progress;
        LayerCount count;
} LayerCopy;

static int failed(const LayerCopy *copy, int error, const char *path, const char *doing) {
        progress_clear(copy->progress);
        return log_error_errno(error, "container '%s': '%s': cannot %s: %m", copy->name, shown(path).text,
                               doing);
}

/* Labels of a security module are the host's to set, for the copy as for the original. */
static int copy_attributes(const LayerCopy *copy, int from_fd, int to_fd, const char *path) {
        ssize_t n = flistxattr(from_fd, copy->names, NAMES_SIZE_MAX);

        if (n < 0)
                return errno == ENOTSUP ? 0 : failed(copy, errno, path, "read its attributes");
        for (const char *name = copy->names; name < copy->names + n; name += strlen(name) + 1) {
                ssize_t k;

                if (startswith(name, "security.") && !streq(name, "security.capability"))
                        continue;
                k = fgetxattr(from_fd, name, copy->value, VALUE_SIZE_MAX);
                if (k < 0 || fsetxattr(to_fd, name, copy->value, (size_t) k, 0) < 0)
                        return failed(copy, errno, path, "copy its attributes");
        }
        return 0;
}

/* Owner first: changing it clears set-uid bits and capabilities. */
static int copy_metadata(const LayerCopy *copy, int from_fd, int to_fd, const struct stat *st,
                         const char *path) {
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        int r;

        if (fchown(to_fd, st->st_uid, st->st_gid) < 0 || fchmod(to_fd, st->st_mode & 07777) < 0)
                return failed(copy, errno, path, "set its owner and mode");
        r = copy_attributes(copy, from_fd, to_fd, path);
        if (r < 0)
                return r;
        return futimens(to_fd, times) < 0 ? failed(copy, errno, path, "set its times") : 0;
}

static int copy_range(LayerCopy *copy, int from_fd, int to_fd, off_t at, off_t end, const char *path) {
        while (at < end) {
                ssize_t n = pread(from_fd, copy->buffer, MIN(BUFFER_SIZE, (size_t) (end - at)), at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return failed(copy, n < 0 ? errno : ESTALE, path, "read it");
                if (lseek(to_fd, at, SEEK_SET) < 0 || write_fd(to_fd, copy->buffer, (size_t) n) < 0)
                        return failed(copy, errno, path, "write its copy");
                progress_add(copy->progress, (uint64_t) n);
                at += n;
        }
        return 0;
}

static int copy_content(LayerCopy *copy, int from_fd, int to_fd, off_t size, const char *path) {
        if (ioctl(to_fd, FICLONE, from_fd) == 0) {
                progress_add(copy->progress, (uint64_t) size);
                return 0;
        }
        if (ftruncate(to_fd, size) < 0)
                return failed(copy, errno, path, "write its copy");
        for (off_t at = 0; at < size;) {
                off_t data = lseek(from_fd, at, SEEK_DATA), hole;
                int r;

                if (data < 0 && errno == ENXIO)
                        return 0; /* a hole up to the end */
                hole = data < 0 ? -1 : lseek(from_fd, data, SEEK_HOLE);
                if (hole < 0)
                        return failed(copy, errno, path, "read it");
                r = copy_range(copy, from_fd, to_fd, data, MIN(hole, size), path);
                if (r < 0)
                        return r;
                at = hole;
        }
        return 0;
}

/* A file's second name and further ones. 1: made, 0: this is the first. */
static int copy_link(LayerCopy *copy, const struct stat *st, int to_dir, const char *name,
                     const char *path) {
        uint64_t inode = numbers_of_inode(st->st_dev, st->st_ino);
        const char *first;

        if (st->st_nlink < 2)
                return 0;
        first = numbers_get(&copy->links, inode);
        if (!first)
                return numbers_add(&copy->links, inode, path) < 0 ? log_oom() : 0;
        return linkat(copy->top_fd, first, to_dir, name, 0) < 0 ? failed(copy, errno, path, "link its copy")
                                                                : 1;
}

static int copy_file(LayerCopy *copy, int from_dir, int to_dir, const char *name, const char *path) {
        _cleanup_close_ int from_fd = -EBADF, to_fd = -EBADF;
        struct stat st;
        int r;

        from_fd = openat(from_dir, name,
                         O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);
        if (from_fd < 0 || fstat(from_fd, &st) < 0)
                return failed(copy, errno, path, "open it");
        if (!S_ISREG(st.st_mode))
                return failed(copy, ESTALE, path, "open what was a file a moment ago");
        to_fd = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to_fd < 0)
                return failed(copy, errno, path, "make its copy");
        r = copy_content(copy, from_fd, to_fd, st.st_size, path);
        copy->count.bytes += (uint64_t) st.st_size;
        return r < 0 ? r : copy_metadata(copy, from_fd, to_fd, &st, path);
}

/* Links, FIFOs, sockets, and the devices that are whiteouts. Their attributes, where they may have any, are those of a
 * security module. */
static int copy_other(LayerCopy *copy, int from_dir, int to_dir, const char *name, const struct stat *st,
                      const char *path) {
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        char target[PATH_MAX];

        if (S_ISLNK(st->st_mode)) {
                ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

                if (n < 0)
                        return failed(copy, errno, path, "read the link");
                target[n] = '\0';
                if (symlinkat(target, to_dir, name) < 0)
                        return failed(copy, errno, path, "make its copy");
        } else if (mknodat(to_dir, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0)
                return failed(copy, errno, path, "make its copy");
        if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            (!S_ISLNK(st->st_mode) && fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0) ||
            utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return failed(copy, errno, path, "set its owner, mode and times");
        return 0;
}

static int copy_directory_content(LayerCopy *copy, int from_fd, int to_fd, const char *path, unsigned depth);

static int copy_subdirectory(LayerCopy *copy, int from_dir, int to_dir, const char *name, const char *path,
                             unsigned depth) {
        _cleanup_close_ int from_fd = -EBADF, to_fd = -EBADF;
        struct stat st;
        int r;

        if (depth >= DEPTH_MAX)
                return failed(copy, ELOOP, path, "go deeper");
        from_fd = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (from_fd < 0 || fstat(from_fd, &st) < 0)
                return failed(copy, errno, path, "open the directory");
        if (st.st_dev != copy->device)
                return failed(copy, EXDEV, path, "copy a mount");
        if (mkdirat(to_dir, name, 0700) < 0)
                return failed(copy, errno, path, "make its copy");
        to_fd = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (to_fd < 0)
                return failed(copy, errno, path, "open its copy");
        r = copy_directory_content(copy, from_fd, to_fd, path, depth + 1);
        return r < 0 ? r : copy_metadata(copy, from_fd, to_fd, &st, path);
}

static int copy_entry(LayerCopy *copy, int from_dir, int to_dir, const char *name, const char *directory,
                      unsigned depth) {
        _cleanup_free_ char *path = NULL;
        struct stat st;
        int r;

        if (asprintf(&path, "%s%s%s", directory, *directory ? "/" : "", name) < 0)
                return log_oom();
        if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return failed(copy, errno, path, "look at it");
        copy->count.entries++;
        if (S_ISDIR(st.st_mode))
                return copy_subdirectory(copy, from_dir, to_dir, name, path, depth);
        r = copy_link(copy, &st, to_dir, name, path);
        if (r != 0)
                return MIN(r, 0);
        if (S_ISREG(st.st_mode))
                return copy_file(copy, from_dir, to_dir, name, path);
        return copy_other(copy, from_dir, to_dir, name, &st, path);
}

static int copy_directory_content(LayerCopy *copy, int from_fd, int to_fd, const char *path,
                                  unsigned depth) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r, k;

        r = directory_open(from_fd, ".", 0, &dir);
        if (r < 0)
                return failed(copy, r, path, "read the directory");
        while (r >= 0 && (k = directory_next(dir, &entry)) != 0)
                r = k < 0 ? failed(copy, k, path, "read the directory")
                          : copy_entry(copy, from_fd, to_fd, entry->d_name, path, depth);
        return r;
}

static uint64_t measure(int dir_fd, const char *name, unsigned depth) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        uint64_t sum = 0;

        if (depth >= DEPTH_MAX || directory_open(dir_fd, name, O_NOFOLLOW, &dir) < 0)
                return 0;
        while (directory_next(dir, &entry) > 0) {
                struct stat st;

                if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (S_ISDIR(st.st_mode))
                        sum += measure(dirfd(dir), entry->d_name, depth + 1);
                else if (S_ISREG(st.st_mode))
                        sum += MIN((uint64_t) st.st_size, (uint64_t) st.st_blocks * 512);
        }
        return sum;
}

uint64_t layer_measure(int dir_fd, const char *name) {
        directory_allow_depth();
        return measure(dir_fd, name, 0);
}

int layer_copy(int from_fd, int to_fd, const char *name, Progress *progress, LayerCount *ret) {
        _cleanup_free_ char *buffer = malloc(BUFFER_SIZE), *names = malloc(NAMES_SIZE_MAX),
                            *value = malloc(VALUE_SIZE_MAX);
        LayerCopy copy = { .name = name,
                           .top_fd = to_fd,
                           .buffer = buffer,
                           .names = names,
                           .value = value,
                           .progress = progress };
        struct stat st;
        int r;

        if (!buffer || !names || !value)
                return log_oom();
        directory_allow_depth();
        if (fstat(from_fd, &st) < 0)
                return failed(&copy, errno, ".", "look at it");
        copy.device = st.st_dev;
        r = copy_directory_content(&copy, from_fd, to_fd, "", 0);
        if (r >= 0)
                r = copy_metadata(&copy, from_fd, to_fd, &st, ".");
        numbers_done(&copy.links);
        progress_clear(progress);
        if (r >= 0)
                *ret = copy.count;
        return r;
}
