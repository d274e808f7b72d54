/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/tree.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "common/directory.h"
#include "common/log.h"
#include "helper/storage/archive-path.h"
#include "helper/storage/numbers.h"
#include "helper/text/printable.h"

#define READ_SIZE       ((size_t) 256 * 1024)
#define NAMES_SIZE_MAX  65536 /* XATTR_LIST_MAX, and XATTR_SIZE_MAX below it */
#define ATTRIBUTES_MAX  64
#define ATTRIBUTES_SIZE (4 * 65536)

typedef struct Tree {
        const char *what;
        Extract *x;
        Progress *progress;
        dev_t device;
        Numbers links; /* inodes with several names: the first of them */
        char *buffer;

        /* The attributes of the file at hand. */
        char *names, *values;
        ExtractAttribute attributes[ATTRIBUTES_MAX];
        size_t n_attributes;
} Tree;

/* The regular file at hand. */
typedef struct File {
        Tree *tree;
        int fd;
        const char *path;
        off_t size;
} File;

static int failed(const Tree *tree, int error, const char *path, const char *doing) {
        progress_clear(tree->progress);
        return log_error_errno(error, "%s: '%s': cannot %s: %m", tree->what, shown(path).text, doing);
}

/* Attributes that cannot be named without opening (of links) are none that are kept. */
static int read_attributes(Tree *tree, int fd, const char *path) {
        ssize_t n = flistxattr(fd, tree->names, NAMES_SIZE_MAX);
        size_t used = 0;

        tree->n_attributes = 0;
        if (n < 0)
                return errno == ENOTSUP ? 0 : failed(tree, errno, path, "read its attributes");
        for (const char *name = tree->names; name < tree->names + n; name += strlen(name) + 1) {
                ssize_t k;

                if (tree->n_attributes == ATTRIBUTES_MAX)
                        return failed(tree, E2BIG, path, "read its attributes");
                k = fgetxattr(fd, name, tree->values + used, ATTRIBUTES_SIZE - used);
                if (k < 0)
                        return failed(tree, errno, path, "read its attributes");
                tree->attributes[tree->n_attributes++] = (ExtractAttribute){ .name = name,
                                                                             .value = tree->values + used,
                                                                             .size = (size_t) k };
                used += (size_t) k;
        }
        return 0;
}

static int copy_range(File *file, int to_fd, off_t from, off_t end) {
        Tree *tree = file->tree;

        while (from < end) {
                ssize_t n = pread(file->fd, tree->buffer, MIN(READ_SIZE, (size_t) (end - from)), from);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed(tree, errno, file->path, "read");
                if (n == 0)
                        return failed(tree, ESTALE, file->path, "read all of it, it shrinks");
                r = extract_write(tree->x, to_fd, tree->buffer, (size_t) n, (uint64_t) from);
                if (r < 0)
                        return r;
                progress_add(tree->progress, (uint64_t) n);
                from += n;
        }
        return 0;
}

/* Shares the blocks where the file system can, else copies what is no hole. */
static int copy_content(Extract *x _unused_, int to_fd, void *userdata) {
        File *file = userdata;
        off_t at = 0;
        struct stat st;

        if (ioctl(to_fd, FICLONE, file->fd) == 0) {
                if (fstat(to_fd, &st) < 0)
                        return failed(file->tree, errno, file->path, "read");
                if (st.st_size != file->size)
                        return failed(file->tree, ESTALE, file->path, "read it whole, it changes");
                progress_add(file->tree->progress, (uint64_t) file->size);
                return 0;
        }
        while (at < file->size) {
                off_t data = lseek(file->fd, at, SEEK_DATA), hole;
                int r;

                if (data < 0 && errno == ENXIO)
                        return 0; /* a hole up to the end */
                hole = data < 0 ? -1 : lseek(file->fd, data, SEEK_HOLE);
                if (hole < 0)
                        return failed(file->tree, errno, file->path, "read");
                r = copy_range(file, to_fd, data, MIN(hole, file->size));
                if (r < 0)
                        return r;
                at = hole;
        }
        return 0;
}

static ExtractEntry entry_of(const Tree *tree, const char *path, const struct stat *st) {
        return (ExtractEntry){
                .path = path,
                .mode = st->st_mode,
                .uid = st->st_uid,
                .gid = st->st_gid,
                .mtime = st->st_mtim,
                .attributes = tree->attributes,
                .n_attributes = tree->n_attributes,
        };
}

static int walk_file(Tree *tree, int dir_fd, const char *name, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        const char *first;
        ExtractEntry entry;
        struct stat st;
        File file;
        int r;

        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return failed(tree, errno, path, "open");
        if (!S_ISREG(st.st_mode))
                return failed(tree, ESTALE, path, "open what was a file a moment ago");
        first = st.st_nlink > 1 ? numbers_get(&tree->links, numbers_of_inode(st.st_dev, st.st_ino)) : NULL;
        if (first) {
                entry = (ExtractEntry){ .path = path, .hardlink = first };
                return extract_entry(tree->x, &entry, NULL, NULL);
        }
        if (st.st_nlink > 1 && numbers_add(&tree->links, numbers_of_inode(st.st_dev, st.st_ino), path) < 0)
                return log_oom();
        r = read_attributes(tree, fd, path);
        if (r < 0)
                return r;
        entry = entry_of(tree, path, &st);
        entry.size = (uint64_t) st.st_size;
        file = (File){ .tree = tree, .fd = fd, .path = path, .size = st.st_size };
        return extract_entry(tree->x, &entry, copy_content, &file);
}

static int walk_other(Tree *tree, int dir_fd, const char *name, const char *path, const struct stat *st) {
        char target[PATH_MAX];
        ExtractEntry entry;

        tree->n_attributes = 0;
        entry = entry_of(tree, path, st);
        if (S_ISLNK(st->st_mode)) {
                ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

                if (n < 0)
                        return failed(tree, errno, path, "read the link");
                target[n] = '\0';
                entry.target = target;
        }
        return extract_entry(tree->x, &entry, NULL, NULL);
}

static int walk_directory(Tree *tree, int dir_fd, const char *name, const char *path, unsigned depth);

static int walk_entry(Tree *tree, int dir_fd, const char *name, const char *directory, unsigned depth) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s/%s", directory, name) < 0)
                return log_oom();
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return failed(tree, errno, path, "look at it");
        if (S_ISDIR(st.st_mode))
                return walk_directory(tree, dir_fd, name, path, depth + 1);
        if (S_ISREG(st.st_mode))
                return walk_file(tree, dir_fd, name, path);
        return walk_other(tree, dir_fd, name, path, &st);
}

static int walk_content(Tree *tree, int fd, const char *path, unsigned depth) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r, k;

        r = directory_open(fd, ".", 0, &dir);
        if (r < 0)
                return failed(tree, r, path, "read the directory");
        while (r >= 0 && (k = directory_next(dir, &entry)) != 0)
                r = k < 0 ? failed(tree, k, path, "read the directory")
                          : walk_entry(tree, fd, entry->d_name, path, depth);
        return r;
}

static int walk_directory(Tree *tree, int dir_fd, const char *name, const char *path, unsigned depth) {
        _cleanup_close_ int fd = -EBADF;
        ExtractEntry entry;
        struct stat st;
        int r;

        if (depth > ARCHIVE_DEPTH_MAX)
                return failed(tree, ELOOP, path, "go deeper");
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return failed(tree, errno, path, "open the directory");
        r = read_attributes(tree, fd, path);
        if (r < 0)
                return r;
        entry = entry_of(tree, path, &st);
        r = extract_entry(tree->x, &entry, NULL, NULL);
        if (r < 0 || st.st_dev != tree->device)
                return r; /* of a mount only the directory that it is on */
        return walk_content(tree, fd, path, depth);
}

int tree_extract(int dir_fd, const char *what, Extract *x, Progress *progress) {
        _cleanup_free_ char *buffer = malloc(READ_SIZE), *names = malloc(NAMES_SIZE_MAX),
                            *values = malloc(ATTRIBUTES_SIZE);
        Tree tree = { .what = what, .x = x, .progress = progress };
        struct stat st;
        int r;

        if (!buffer || !names || !values)
                return log_oom();
        if (fstat(dir_fd, &st) < 0)
                return log_error_errno(errno, "%s: %m", what);
        tree.device = st.st_dev;
        tree.buffer = buffer;
        tree.names = names;
        tree.values = values;
        extract_begin(x, what, /* layer= */ false, progress);
        r = walk_directory(&tree, dir_fd, ".", ".", 0);
        numbers_done(&tree.links);
        progress_clear(progress);
        return r;
}
