/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/fs.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/directory.h"

#define RENAME_RACE_RETRIES 128

static int open_resolved(int dir_fd, const char *path, int flags, uint64_t resolve) {
        struct open_how how = { .flags = (uint64_t) (flags | O_CLOEXEC), .resolve = resolve };

        for (unsigned i = 0;; i++) {
                int fd = (int) syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

                if (fd >= 0)
                        return fd;
                /* openat2(2): EAGAIN when ".." raced with a rename or mount somewhere on the system */
                if ((errno != EAGAIN || i >= RENAME_RACE_RETRIES) && errno != EINTR)
                        return -errno;
        }
}

int open_in_root(int root_fd, const char *path, int flags) {
        return open_resolved(root_fd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int open_beneath(int dir_fd, const char *path, int flags) {
        return open_resolved(dir_fd, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int open_regular_in_root(int root_fd, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        /* O_NONBLOCK: opening a FIFO returns at once. A device is opened by nobody: it is looked at first. */
        fd = open_in_root(root_fd, path, O_PATH);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        fd = close_fd(fd);
        fd = open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        return TAKE_FD(fd);
}

/* One step down; makes the directory where it is missing. */
static int make_step(int dir_fd, const char *name, mode_t mode) {
        int fd;

        if (mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int make_path(int dir_fd, const char *path, mode_t mode) {
        _cleanup_close_ int at = -EBADF;
        char name[NAME_MAX + 1];

        /* As a rule all of it is there, and one call does. */
        if (!strstr(path, "..")) {
                at = open_resolved(dir_fd, path, O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
                if (at >= 0)
                        return TAKE_FD(at);
        }
        at = openat(dir_fd, path[0] == '/' ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (at < 0)
                return -errno;
        for (;;) {
                size_t n;
                int next;

                path += strspn(path, "/");
                n = strcspn(path, "/");
                if (n == 0)
                        return TAKE_FD(at);
                if (n > NAME_MAX)
                        return -ENAMETOOLONG;
                memcpy(name, path, n);
                name[n] = '\0';
                if (streq(name, ".."))
                        return -EINVAL;
                next = make_step(at, name, mode);
                if (next < 0)
                        return next;
                close_fd(at);
                at = next;
                path += n;
        }
}

int make_path_in_root(int root_fd, const char *path) {
        _cleanup_free_ char *prefix = NULL;
        _cleanup_close_ int at = -EBADF;

        /* The longest part that exists is resolved by the kernel, links and all; only below it are directories
         * made, one by one and without following anything. */
        prefix = strdup(path);
        if (!prefix)
                return -ENOMEM;
        for (;;) {
                size_t n = strlen(prefix);

                at = open_in_root(root_fd, n > 0 ? prefix : ".", O_RDONLY | O_DIRECTORY);
                if (at >= 0)
                        return make_path(at, path + n + strspn(path + n, "/"), 0755);
                if (at != -ENOENT || n == 0)
                        return at;
                while (n > 0 && prefix[n - 1] == '/')
                        n--;
                while (n > 0 && prefix[n - 1] != '/')
                        n--;
                while (n > 0 && prefix[n - 1] == '/')
                        n--;
                prefix[n] = '\0';
        }
}

int read_fd(int fd, size_t max, char **ret, size_t *ret_size) {
        _cleanup_free_ char *data = NULL;
        size_t size = 0, room = 0;

        for (;;) {
                ssize_t n;

                if (size == room) {
                        char *grown;

                        room = room > 0 ? room * 2 : 4096;
                        grown = realloc(data, room + 1);
                        if (!grown)
                                return -ENOMEM;
                        data = grown;
                }
                n = read(fd, data + size, room - size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > max)
                        return -EFBIG;
        }
        data[size] = '\0';
        if (ret_size)
                *ret_size = size;
        *ret = TAKE_PTR(data);
        return 0;
}

int read_file_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = -EBADF;

        fd = openat(dir_fd, path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return read_fd(fd, max, ret, ret_size);
}

int write_fd(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

int write_string_at(int dir_fd, const char *path, const char *text) {
        _cleanup_close_ int fd = -EBADF;

        fd = openat(dir_fd, path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return write_fd(fd, text, strlen(text));
}

int write_file_at(int dir_fd, const char *path, const void *data, size_t size, mode_t mode) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (asprintf(&temporary, "%s.%d.tmp", path, getpid()) < 0)
                return -ENOMEM;
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        /* A leftover of a killed process that had our pid is ours to replace. */
        if (fd < 0 && errno == EEXIST && unlinkat(dir_fd, temporary, 0) == 0)
                fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
                return -errno;
        r = write_fd(fd, data, size);
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dir_fd, temporary, 0);
        return r;
}

/* A tree to remove. Directories deeper than DEPTH_MAX are moved up to the top and emptied there: a container can
 * nest them without end, our stack and descriptors do not. */
#define DEPTH_MAX 48

typedef struct Removal {
        int top_fd;
        dev_t device;
        unsigned moved;
} Removal;

static int empty_directory(Removal *removal, DIR *dir, unsigned depth);

static int remove_directory(Removal *removal, int dir_fd, const char *name, unsigned depth) {
        _cleanup_directory_ DIR *dir = NULL;
        struct stat st;
        int r;

        if (depth > DEPTH_MAX) {
                char moved[64];

                /* What is removed may hold that name already, and more deeply nested ones below it. */
                do {
                        snprintf(moved, sizeof(moved), ".berth-removal-%u", removal->moved++);
                        r = renameat2(dir_fd, name, removal->top_fd, moved, RENAME_NOREPLACE) < 0 ? -errno
                                                                                                  : 0;
                } while (r == -EEXIST);
                return r;
        }
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
                return 0;
        r = directory_open(dir_fd, name, O_NOFOLLOW, &dir);
        if (r < 0)
                return r;
        if (fstat(dirfd(dir), &st) < 0)
                return -errno;
        if (st.st_dev != removal->device)
                return -EXDEV; /* a mount: what is on it is not ours to remove */
        r = empty_directory(removal, dir, depth);
        if (r < 0)
                return r;
        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* Goes on after a failure and returns the last one. */
static int empty_directory(Removal *removal, DIR *dir, unsigned depth) {
        const struct dirent *entry;
        int r, k, failure = 0;

        while ((r = directory_next(dir, &entry)) > 0) {
                k = unlinkat(dirfd(dir), entry->d_name, 0) < 0 ? -errno : 0;
                if (k == -EISDIR || k == -EPERM)
                        k = remove_directory(removal, dirfd(dir), entry->d_name, depth + 1);
                if (k < 0 && k != -ENOENT)
                        failure = k;
        }
        return failure < 0 ? failure : r;
}

int remove_tree(int dir_fd, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        Removal removal;
        unsigned moved;
        struct stat st;
        int r;

        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        removal = (Removal){ .top_fd = fd, .device = st.st_dev };
        do {
                _cleanup_directory_ DIR *dir = NULL;

                moved = removal.moved;
                r = directory_open(fd, ".", 0, &dir);
                if (r >= 0)
                        r = empty_directory(&removal, dir, 0);
                if (r < 0)
                        return r;
        } while (moved != removal.moved);
        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}
