/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/arrive.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "helper/storage/archive-path.h"
#include "helper/storage/stream.h"
#include "helper/text/printable.h"

static int in_the_way(const Arrival *arrival, const char *path) {
        return log_error_errno(EEXIST,
                               "%s: '%s' is in the way: a directory and something else cannot be merged",
                               arrival->to, shown(path).text);
}

static int failed(const Arrival *arrival, int error, const char *path) {
        if (error == -EXDEV)
                return log_error_errno(error, "%s: '%s' is on another mount; copy into that by itself",
                                       arrival->to, shown(path).text);
        return log_error_errno(error, "%s: '%s': cannot be put in place: %m", arrival->to, shown(path).text);
}

static int merge_entry(const Arrival *arrival, int from_fd, const char *from, int to_fd, const char *to,
                       const char *path, unsigned depth);

static int merge_content(const Arrival *arrival, int from_fd, int to_fd, const char *path, unsigned depth) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = directory_open(from_fd, ".", 0, &dir);
        if (r < 0)
                return failed(arrival, r, path);
        while ((r = directory_next(dir, &entry)) > 0) {
                _cleanup_free_ char *child = NULL;

                if (asprintf(&child, "%s/%s", path, entry->d_name) < 0)
                        return log_oom();
                r = merge_entry(arrival, from_fd, entry->d_name, to_fd, entry->d_name, child, depth + 1);
                if (r < 0)
                        return r;
        }
        return r < 0 ? failed(arrival, r, path) : 0;
}

static int merge_directories(const Arrival *arrival, int from_fd, const char *from, int to_fd,
                             const char *to, const char *path, unsigned depth) {
        const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        _cleanup_close_ int source_fd = -EBADF, target_fd = -EBADF;

        if (depth > ARCHIVE_DEPTH_MAX)
                return failed(arrival, -ELOOP, path);
        source_fd = openat(from_fd, from, flags);
        if (source_fd >= 0)
                target_fd = openat(to_fd, to, flags);
        if (target_fd < 0)
                return failed(arrival, -errno, path);
        return merge_content(arrival, source_fd, target_fd, path, depth);
}

/* Of directories that are merged what is there keeps its owner and mode. */
static int merge_entry(const Arrival *arrival, int from_fd, const char *from, int to_fd, const char *to,
                       const char *path, unsigned depth) {
        struct stat source, target;

        if (fstatat(from_fd, from, &source, AT_SYMLINK_NOFOLLOW) < 0)
                return failed(arrival, -errno, path);
        if (fstatat(to_fd, to, &target, AT_SYMLINK_NOFOLLOW) == 0) {
                if (S_ISDIR(source.st_mode) != S_ISDIR(target.st_mode))
                        return in_the_way(arrival, path);
                if (S_ISDIR(source.st_mode))
                        return merge_directories(arrival, from_fd, from, to_fd, to, path, depth);
        } else if (errno != ENOENT)
                return failed(arrival, -errno, path);
        return renameat(from_fd, from, to_fd, to) < 0 ? failed(arrival, -errno, path) : 0;
}

/* Times of directories, which everything that was made in them has changed. */
static int set_times(const Extract *x, int dir_fd, const char *path, const char *in_archive) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        struct timespec times[2];
        int r;

        r = directory_open(dir_fd, ".", 0, &dir);
        if (r < 0)
                return log_error_errno(r, "%s: %m", path);
        while ((r = directory_next(dir, &entry)) > 0) {
                _cleanup_free_ char *child = NULL;
                _cleanup_close_ int fd = -EBADF;

                if (entry->d_type != DT_DIR)
                        continue;
                if (asprintf(&child, "%s%s%s", streq(in_archive, ".") ? "" : in_archive,
                             streq(in_archive, ".") ? "" : "/", entry->d_name) < 0)
                        return log_oom();
                fd = openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        continue;
                r = set_times(x, fd, path, child);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return log_error_errno(r, "%s: %m", path);
        times[0] = times[1] = extract_directory_time(x, in_archive);
        if (times[0].tv_sec != 0 || times[0].tv_nsec != 0)
                (void) futimens(dir_fd, times);
        return 0;
}

static int await_word(const Arrival *arrival) {
        char word;
        ssize_t n;

        if (arrival->word_fd < 0)
                return 0;
        do
                n = read(arrival->word_fd, &word, 1);
        while (n < 0 && errno == EINTR);
        return n == 1 ? 0 : -ECANCELED; /* whoever did not say it has said why */
}

static int unpack(const Arrival *arrival, int fd, Extract *x) {
        uint64_t budget = arrival->limits.bytes > UINT64_MAX / 8
                                          ? UINT64_MAX
                                          : 4 * arrival->limits.bytes + (UINT64_C(64) << 20);
        const StreamSource source = {
                .what = arrival->what,
                .fd = arrival->fd,
                .size = UINT64_MAX,
                .budget = &budget,
                .end_marker = arrival->word_fd < 0,
                .progress = arrival->progress,
        };
        int r;

        extract_begin(x, arrival->what, /* layer= */ false, arrival->progress);
        r = stream_extract_tar(&source, x, NULL);
        if (r >= 0)
                r = await_word(arrival);
        return r < 0 ? r : set_times(x, fd, arrival->to, ".");
}

int arrive_unpack(const Arrival *arrival, int fd) {
        _cleanup_extract_ Extract *x = extract_new(fd, &arrival->limits);

        int r = x ? unpack(arrival, fd, x) : log_oom();

        if (r >= 0 && arrival->ret_count)
                *arrival->ret_count = *extract_count(x);
        return r;
}

static int arrive_at(const Arrival *arrival, const Place *place, const char *name, int fd) {
        int r;

        r = arrive_unpack(arrival, fd);
        if (r < 0)
                return r;
        if (!arrival->top)
                return merge_entry(arrival, place->dir_fd, name, place->dir_fd, place->name, ".", 0);
        return merge_entry(arrival, fd, arrival->top, place->dir_fd, place->name, ".", 0);
}

int arrive(const Arrival *arrival, const Place *place) {
        _cleanup_close_ int fd = -EBADF;
        uint64_t number;
        char name[32];
        int r, k;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return log_error_errno(errno, "cannot get random bytes: %m");
        snprintf(name, sizeof(name), ".berth-%016llx", (unsigned long long) number);
        if (mkdirat(place->dir_fd, name, 0700) < 0)
                return log_error_errno(errno, "%s: cannot be written to: %m", arrival->to);
        fd = openat(place->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        /* What the archive says of its top comes over this. */
        if (fd < 0 || (!arrival->top && fchmod(fd, 0755) < 0))
                r = log_error_errno(errno, "%s: %m", arrival->to);
        else
                r = arrive_at(arrival, place, name, fd);
        k = remove_tree(place->dir_fd, name);
        if (k < 0 && r >= 0)
                r = log_error_errno(k, "%s: '%s' cannot be removed: %m", arrival->to, name);
        return r;
}
