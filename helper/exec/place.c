/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/place.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/xattr.h>

#include "common/fs.h"

#define ACL             "system.posix_acl_access"
#define LINKS_MAX       40 /* as the kernel has it, path_resolution(7) */
#define NAMES_SIZE_MAX  65536
#define VALUE_SIZE_MAX  65536
#define TEMPORARY_TRIES 16

void place_done(Place *place) {
        place->dir_fd = close_fd(place->dir_fd);
}

/* Makes directory name for the one whose new files are. What somebody else has put there meanwhile stays his. */
static int make_directory(const Inside *inside, int dir_fd, const char *name) {
        _cleanup_close_ int fd = -EBADF;

        if (mkdirat(dir_fd, name, 0755) < 0)
                return errno == EEXIST ? 0 : -errno;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return !inside->as_user && fchown(fd, inside->uid, inside->gid) < 0 ? -errno : 0;
}

/* Makes the directories of path that are missing, from the root on. */
static int make_parents(const Inside *inside, const char *path) {
        _cleanup_close_ int parent_fd = open_in_root(inside->root_fd, "/", O_PATH | O_DIRECTORY);
        _cleanup_free_ char *prefix = strdup(path);

        if (!prefix)
                return -ENOMEM;
        for (char *name = prefix + strspn(prefix, "/"); parent_fd >= 0 && *name;) {
                size_t n = strcspn(name, "/");
                char after = name[n];
                int fd, r = 0;

                name[n] = '\0';
                fd = open_in_root(inside->root_fd, prefix, O_PATH | O_DIRECTORY);
                if (fd == -ENOENT) {
                        r = n > NAME_MAX ? -ENAMETOOLONG : make_directory(inside, parent_fd, name);
                        fd = r < 0 ? r : open_in_root(inside->root_fd, prefix, O_PATH | O_DIRECTORY);
                }
                close_fd(parent_fd);
                parent_fd = fd;
                name[n] = after;
                name += n;
                name += strspn(name, "/");
        }
        return MIN(parent_fd, 0);
}

/* Splits path into its directory and its last part, and opens the former. */
static int find_step(const Inside *inside, const char *path, bool make, Place *ret) {
        _cleanup_free_ char *directory = NULL;
        size_t end = strlen(path), start, n;
        int fd, r;

        while (end > 0 && path[end - 1] == '/')
                end--;
        for (start = end; start > 0 && path[start - 1] != '/'; start--)
                ;
        n = end - start;
        if (n > NAME_MAX)
                return -ENAMETOOLONG;
        directory = strndup(path, start);
        if (!directory)
                return -ENOMEM;
        fd = open_in_root(inside->root_fd, start > 0 ? directory : "/", O_PATH | O_DIRECTORY);
        if (fd == -ENOENT && make) {
                r = make_parents(inside, directory);
                if (r < 0)
                        return r;
                fd = open_in_root(inside->root_fd, directory, O_PATH | O_DIRECTORY);
        }
        if (fd < 0)
                return fd;
        snprintf(ret->name, sizeof(ret->name), "%.*s", (int) n, n > 0 ? path + start : "");
        if (n == 0)
                strcpy(ret->name, ".");
        if (streq(ret->name, "..")) {
                close_fd(fd);
                return -EINVAL;
        }
        ret->dir_fd = fd;
        return 0;
}

/* Where the link at place leads, as a path from the root: path's directory and the link's text. 0: it is no link. */
static int follow(const Place *place, char **path) {
        char target[PATH_MAX], *next;
        size_t n = strlen(*path);
        ssize_t k;

        k = readlinkat(place->dir_fd, place->name, target, sizeof(target) - 1);
        if (k < 0)
                return errno == EINVAL || errno == ENOENT ? 0 : -errno;
        target[k] = '\0';
        while (n > 0 && (*path)[n - 1] == '/')
                n--;
        while (n > 0 && (*path)[n - 1] != '/')
                n--;
        if (asprintf(&next, "%.*s%s", target[0] == '/' ? 0 : (int) n, *path, target) < 0)
                return -ENOMEM;
        free(*path);
        *path = next;
        return strlen(next) < PATH_MAX ? 1 : -ENAMETOOLONG;
}

/* Is what stands there, or does not, on one of the covers? r: what looking for it came to. */
static int check_cover(const Inside *inside, const char *path, int r) {
        _cleanup_free_ char *prefix = NULL;

        if (inside->cover == 0 || (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -EROFS))
                return r;
        prefix = strdup(path);
        if (!prefix)
                return -ENOMEM;
        /* the longest part of the path that is there */
        for (size_t n = strlen(prefix); n > 0; prefix[n] = '\0') {
                _cleanup_close_ int fd = open_in_root(inside->root_fd, prefix, O_PATH | O_NOFOLLOW);
                struct stat st;

                if (fd >= 0)
                        return fstat(fd, &st) < 0 ? -errno : st.st_dev == inside->cover ? -EREMOTE : r;
                while (n > 0 && prefix[n - 1] == '/')
                        n--;
                while (n > 0 && prefix[n - 1] != '/')
                        n--;
        }
        return r;
}

int place_find(const Inside *inside, const char *path, unsigned flags, Place *ret) {
        _cleanup_free_ char *at = strdup(path);
        _cleanup_place_ Place place = PLACE_NONE;

        if (!at)
                return -ENOMEM;
        if (at[0] != '/')
                return -EINVAL;
        for (unsigned i = 0; i < LINKS_MAX; i++) {
                int r = find_step(inside, at, flags & PLACE_MAKE, &place);

                r = check_cover(inside, at, r);
                if (r >= 0 && (flags & PLACE_FOLLOW))
                        r = follow(&place, &at);
                if (r < 0)
                        return r;
                if (r == 0) {
                        *ret = place;
                        place = PLACE_NONE;
                        return 0;
                }
                place_done(&place);
        }
        return -ELOOP;
}

int place_open_file(const Inside *inside, const Place *place, struct stat *ret) {
        _cleanup_close_ int fd = -EBADF;

        fd = openat(place->dir_fd, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, ret) < 0)
                return -errno;
        if (S_ISDIR(ret->st_mode))
                return -EISDIR;
        if (S_ISLNK(ret->st_mode))
                return -ELOOP;
        if (!S_ISREG(ret->st_mode))
                return -EINVAL;
        return inside_reopen(inside, fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

int place_open_directory(const Place *place) {
        int fd = openat(place->dir_fd, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int make_temporary(const Place *place, char name[static 32]) {
        for (unsigned i = 0; i < TEMPORARY_TRIES; i++) {
                uint64_t number;
                int fd;

                if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                        return -errno;
                snprintf(name, 32, ".berth-%016llx", (unsigned long long) number);
                fd = openat(place->dir_fd, name,
                            O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
                if (fd >= 0)
                        return fd;
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

static bool same_file(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
               a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int replacement_begin(const Inside *inside, const Place *place, const struct stat *expected,
                      Replacement *ret) {
        _cleanup_replacement_ Replacement replacement = { .inside = inside,
                                                          .place = place,
                                                          .fd = -EBADF,
                                                          .uid = inside->uid,
                                                          .gid = inside->gid,
                                                          .model_fd = -EBADF };

        replacement.exists = fstatat(place->dir_fd, place->name, &replacement.old, AT_SYMLINK_NOFOLLOW) == 0;
        if (!replacement.exists && errno != ENOENT)
                return -errno;
        if (expected && (!replacement.exists || !same_file(&replacement.old, expected)))
                return -ESTALE;
        if (replacement.exists) {
                if (S_ISDIR(replacement.old.st_mode))
                        return -EISDIR;
                if (S_ISLNK(replacement.old.st_mode))
                        return -ELOOP;
                if (!S_ISREG(replacement.old.st_mode))
                        return -EINVAL;
                /* What may not be written to is not replaced either: the mode says so, or its owner is none that
                 * the container has. */
                if (faccessat(place->dir_fd, place->name, W_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) < 0)
                        return -errno;
        }
        replacement.fd = make_temporary(place, replacement.name);
        if (replacement.fd < 0)
                return replacement.fd;
        *ret = replacement;
        replacement = REPLACEMENT_NONE;
        return 0;
}

/* What a file is has to stay: user.* attributes and access control lists. */
static int copy_attributes(int from_fd, int to_fd) {
        _cleanup_free_ char *names = malloc(NAMES_SIZE_MAX), *value = malloc(VALUE_SIZE_MAX);
        ssize_t n;

        if (!names || !value)
                return -ENOMEM;
        /* what a directory gives to new files in it */
        if (fremovexattr(to_fd, ACL) < 0 && errno != ENODATA && errno != ENOTSUP)
                return -errno;
        n = flistxattr(from_fd, names, NAMES_SIZE_MAX);
        if (n < 0)
                return errno == ENOTSUP ? 0 : -errno;
        for (const char *name = names; name < names + n; name += strlen(name) + 1) {
                ssize_t k;

                if (!startswith(name, "user.") && !streq(name, ACL))
                        continue;
                k = fgetxattr(from_fd, name, value, VALUE_SIZE_MAX);
                if (k < 0 || fsetxattr(to_fd, name, value, (size_t) k, 0) < 0)
                        return -errno;
        }
        return 0;
}

/* Owner before mode: changing it clears the set-uid bits that the mode brings back. */
static int take_over(const Replacement *replacement) {
        _cleanup_close_ int old_fd = -EBADF;
        const struct stat *old = &replacement->old;
        struct stat now;

        if (fchown(replacement->fd, old->st_uid, old->st_gid) < 0)
                return -errno;
        old_fd = place_open_file(replacement->inside, replacement->place, &now);
        if (old_fd < 0)
                return old_fd == -ENOENT ? -ESTALE : old_fd;
        if (!same_file(&now, old))
                return -ESTALE;
        return copy_attributes(old_fd, replacement->fd);
}

int replacement_commit(Replacement *replacement, mode_t mode, bool set_mode, struct stat *ret) {
        const Inside *inside = replacement->inside;
        const Place *place = replacement->place;
        struct stat now;
        int r = 0;

        if (replacement->exists)
                r = take_over(replacement);
        else if (!inside->as_user && fchown(replacement->fd, replacement->uid, replacement->gid) < 0)
                r = -errno;
        else if (replacement->model_fd >= 0)
                r = copy_attributes(replacement->model_fd, replacement->fd);
        if (r < 0)
                return r;
        if (replacement->exists && !set_mode)
                mode = replacement->old.st_mode & 07777;
        /* On disk before the name leads to it, so that after a crash there is the old or the new. */
        if (fchmod(replacement->fd, mode) < 0 || fsync(replacement->fd) < 0)
                return -errno;
        r = fstatat(place->dir_fd, place->name, &now, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
        if (r < 0 && r != -ENOENT)
                return r;
        if ((r == 0) != replacement->exists || (r == 0 && !same_file(&now, &replacement->old)))
                return -ESTALE;
        if (fstat(replacement->fd, &now) < 0 ||
            renameat(place->dir_fd, replacement->name, place->dir_fd, place->name) < 0)
                return -errno;
        replacement->name[0] = '\0';
        if (ret)
                *ret = now;
        return 0;
}

void replacement_done(Replacement *replacement) {
        if (replacement->fd >= 0 && replacement->name[0] != '\0')
                (void) unlinkat(replacement->place->dir_fd, replacement->name, 0);
        replacement->fd = close_fd(replacement->fd);
}
