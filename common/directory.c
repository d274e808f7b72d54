/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/directory.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "common/strv.h"

/* Enough for a mail queue that was forgotten; who fills a directory for us to read is not trusted with more. */
#define NAMES_MAX 1000000

int directory_open(int dir_fd, const char *path, int flags, DIR **ret) {
        int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags), r;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                r = -errno;
                close_fd(fd);
                return r;
        }
        *ret = dir;
        return 0;
}

int directory_next(DIR *dir, const struct dirent **ret) {
        struct dirent *entry;

        do {
                errno = 0; /* readdir(3) tells an error from the end by nothing else */
                entry = readdir(dir);
                if (!entry)
                        return -errno;
        } while (streq(entry->d_name, ".") || streq(entry->d_name, ".."));
        *ret = entry;
        return 1;
}

void directory_allow_depth(void) {
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &files);
        }
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

int directory_names(int dir_fd, const char *path, int flags, bool (*keep)(const char *name), char ***ret) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        size_t n = 0, room = 0;
        int r;

        r = directory_open(dir_fd, path, flags, &dir);
        if (r < 0)
                return r;
        while ((r = directory_next(dir, &entry)) > 0) {
                if (keep && !keep(entry->d_name))
                        continue;
                if (n >= NAMES_MAX)
                        return -EFBIG;
                /* Not strv_append(), which counts the strings each time. */
                if (n + 1 >= room) {
                        char **grown;

                        room = room > 0 ? room * 2 : 32;
                        grown = reallocarray(names, room, sizeof(char *));
                        if (!grown)
                                return -ENOMEM;
                        names = grown;
                }
                names[n + 1] = NULL;
                names[n] = strdup(entry->d_name);
                if (!names[n])
                        return -ENOMEM;
                n++;
        }
        if (r < 0)
                return r;
        if (n > 1)
                qsort(names, n, sizeof(char *), compare_names);
        *ret = TAKE_PTR(names);
        return 0;
}
