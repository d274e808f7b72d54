/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/image-disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"

#define CHUNK ((size_t) 1024 * 1024)

static int check_stop(int stop_fd) {
        struct pollfd stop = { .fd = stop_fd, .events = POLLIN };

        return poll(&stop, 1, 0) > 0 ? log_error_errno(EINTR, "interrupted; nothing is imported") : 0;
}

/* Calls take for each piece of data; holes are passed over. */
static int walk_data(int fd, off_t size, const char *what, int stop_fd,
                     int (*take)(const char *data, size_t n, off_t at, void *userdata), void *userdata) {
        _cleanup_free_ char *buffer = malloc(CHUNK);
        Progress progress;
        int r = 0;

        if (!buffer)
                return log_oom();
        progress_begin(&progress, what, (uint64_t) size);
        for (off_t at = 0; r >= 0 && at < size;) {
                off_t data = lseek(fd, at, SEEK_DATA);
                ssize_t n;

                if (data < 0 && errno == ENXIO)
                        break; /* a hole up to the end */
                if (data > at)
                        at = data;
                n = pread(fd, buffer, MIN(CHUNK, (size_t) (size - at)), at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        r = n < 0 ? -errno : -ESTALE;
                        progress_clear(&progress);
                        log_error_errno(r, "%s: cannot be read: %m", what);
                        break;
                }
                r = take(buffer, (size_t) n, at, userdata);
                at += n;
                progress_add(&progress, (uint64_t) n);
                if (r >= 0)
                        r = check_stop(stop_fd);
        }
        progress_clear(&progress);
        return r;
}

static int write_piece(const char *data, size_t n, off_t at, void *userdata) {
        const int *fd = userdata;

        if (lseek(*fd, at, SEEK_SET) < 0)
                return log_error_errno(errno, "cannot write into the store: %m");
        return write_fd(*fd, data, n) < 0 ? log_error_errno(errno, "cannot write into the store: %m") : 0;
}

int image_disk_copy(int source_fd, int dir_fd, const char *name, const char *what, int stop_fd) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (fstat(source_fd, &st) < 0)
                return log_error_errno(errno, "%s: %m", what);
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
        if (fd < 0)
                return log_error_errno(errno, "cannot write into the store: %m");
        if (ioctl(fd, FICLONE, source_fd) == 0)
                return 0;
        if (ftruncate(fd, st.st_size) < 0)
                return log_error_errno(errno, "cannot write into the store: %m");
        return walk_data(source_fd, st.st_size, what, stop_fd, write_piece, &fd);
}

/* What a hole hashes to are zeroes. */
typedef struct Hashing {
        Hash *hash;
        off_t at;
} Hashing;

static void hash_zeroes(Hashing *hashing, off_t end) {
        static const char zeroes[65536];

        while (hashing->at < end) {
                size_t n = MIN(sizeof(zeroes), (size_t) (end - hashing->at));

                hash_update(hashing->hash, zeroes, n);
                hashing->at += (off_t) n;
        }
}

static int hash_piece(const char *data, size_t n, off_t at, void *userdata) {
        Hashing *hashing = userdata;

        hash_zeroes(hashing, at);
        hash_update(hashing->hash, data, n);
        hashing->at += (off_t) n;
        return 0;
}

int image_disk_digest(int fd, const char *what, int stop_fd, Digest *ret) {
        _cleanup_hash_ Hash *hash = hash_new();
        Hashing hashing = { .hash = hash };
        struct stat st;
        int r;

        if (!hash)
                return log_oom();
        if (fstat(fd, &st) < 0)
                return log_error_errno(errno, "%s: %m", what);
        r = walk_data(fd, st.st_size, what, stop_fd, hash_piece, &hashing);
        if (r < 0)
                return r;
        hash_zeroes(&hashing, st.st_size);
        hash_finish(hash, ret);
        return 0;
}
