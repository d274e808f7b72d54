/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/copy.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/directory.h"

/* Deeper trees than any package has are a trap for our stack and descriptors. */
#define DEPTH_MAX 256

#define KERNEL_FILE_MAX ((off_t) 64 << 20)

static int copy_attributes(int from_fd, int to_fd) {
        char names[8192], value[4096];
        ssize_t n;

        n = flistxattr(from_fd, names, sizeof(names));
        if (n < 0)
                return errno == ENOTSUP ? 0 : -errno;
        for (const char *name = names; name < names + n; name += strlen(name) + 1) {
                ssize_t k;

                if (!startswith(name, "system.posix_acl_") &&
                    (!startswith(name, "user.") || startswith(name, "user.overlay.")))
                        continue;
                k = fgetxattr(from_fd, name, value, sizeof(value));
                if (k < 0 || fsetxattr(to_fd, name, value, (size_t) k, 0) < 0)
                        return -errno;
        }
        return 0;
}

/* Owner first: changing it clears the set-uid bits that the mode brings back. */
static int copy_metadata(int from_fd, int to_fd, const struct stat *st) {
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        int r;

        if (fchown(to_fd, st->st_uid, st->st_gid) < 0 || fchmod(to_fd, st->st_mode & 07777) < 0)
                return -errno;
        r = copy_attributes(from_fd, to_fd);
        if (r < 0)
                return r;
        return futimens(to_fd, times) < 0 ? -errno : 0;
}

static int copy_range(int from_fd, int to_fd, off_t at, off_t end) {
        if (lseek(to_fd, at, SEEK_SET) < 0)
                return -errno;
        while (at < end) {
                ssize_t n = sendfile(to_fd, from_fd, &at, (size_t) MIN(end - at, (off_t) 1 << 30));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0; /* it has become shorter */
        }
        return 0;
}

int copy_data(int from_fd, int to_fd) {
        struct stat st;
        off_t at = 0;

        if (ioctl(to_fd, FICLONE, from_fd) == 0)
                return 0;
        if (fstat(from_fd, &st) < 0)
                return -errno;
        if (st.st_size == 0) /* as files of the kernel say */
                return copy_range(from_fd, to_fd, 0, KERNEL_FILE_MAX);
        while (at < st.st_size) {
                off_t data = lseek(from_fd, at, SEEK_DATA), hole;
                int r;

                if (data < 0 && errno == ENXIO)
                        break; /* a hole up to the end */
                hole = data < 0 ? -1 : lseek(from_fd, data, SEEK_HOLE);
                if (hole < 0)
                        return -errno;
                r = copy_range(from_fd, to_fd, data, MIN(hole, st.st_size));
                if (r < 0)
                        return r;
                at = hole;
        }
        return ftruncate(to_fd, st.st_size) < 0 ? -errno : 0;
}

static int copy_file(int from_dir, int to_dir, const char *name) {
        _cleanup_close_ int from_fd = -EBADF, to_fd = -EBADF;
        struct stat st;
        int r;

        from_fd = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (from_fd < 0 || fstat(from_fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL; /* exchanged since it was looked at */
        to_fd = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to_fd < 0)
                return -errno;
        r = copy_data(from_fd, to_fd);
        return r < 0 ? r : copy_metadata(from_fd, to_fd, &st);
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st) {
        char target[PATH_MAX];
        ssize_t n;

        n = readlinkat(from_dir, name, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        if (symlinkat(target, to_dir, name) < 0 ||
            fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return 0;
}

static int copy_content(int from_fd, int to_fd, dev_t device, unsigned depth);

static int copy_entry(int from_dir, int to_dir, const char *name, dev_t device, unsigned depth) {
        _cleanup_close_ int from_fd = -EBADF, to_fd = -EBADF;
        struct stat st;

        if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (S_ISREG(st.st_mode))
                return copy_file(from_dir, to_dir, name);
        if (S_ISLNK(st.st_mode))
                return copy_link(from_dir, to_dir, name, &st);
        if (S_ISFIFO(st.st_mode)) {
                if (mkfifoat(to_dir, name, 0600) < 0 ||
                    fchownat(to_dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
                    fchmodat(to_dir, name, st.st_mode & 0777, 0) < 0)
                        return -errno;
                return 0;
        }
        if (!S_ISDIR(st.st_mode) || st.st_dev != device)
                return 0;
        if (depth >= DEPTH_MAX)
                return -ELOOP;
        from_fd = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (from_fd < 0 || mkdirat(to_dir, name, 0700) < 0)
                return -errno;
        to_fd = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return to_fd < 0 ? -errno : copy_content(from_fd, to_fd, device, depth + 1);
}

static int copy_content(int from_fd, int to_fd, dev_t device, unsigned depth) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        struct stat st;
        int r;

        r = directory_open(from_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0)
                r = copy_entry(from_fd, to_fd, entry->d_name, device, depth);
        if (r < 0)
                return r;
        return fstat(from_fd, &st) < 0 ? -errno : copy_metadata(from_fd, to_fd, &st);
}

int copy_directory(int from_fd, int to_fd) {
        struct stat st;

        if (fstat(from_fd, &st) < 0)
                return -errno;
        return copy_content(from_fd, to_fd, st.st_dev, 0);
}
