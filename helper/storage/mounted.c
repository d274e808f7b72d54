/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/mounted.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/strv.h"
#include "helper/storage/numbers.h"

#define MOUNTS_MAX ((size_t) 64 * 1024 * 1024)

/* One process of each mount namespace. What ends meanwhile has no mounts. */
int mounted_for_each(int (*function)(pid_t pid, char **text, void *userdata), void *userdata) {
        _cleanup_numbers_ Numbers seen = {};
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = directory_open(AT_FDCWD, "/proc", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                _cleanup_free_ char *text = NULL;
                char path[NAME_MAX + 32];
                struct stat st;

                if (!isdigit((unsigned char) entry->d_name[0]))
                        continue;
                snprintf(path, sizeof(path), "%s/ns/mnt", entry->d_name);
                if (fstatat(dirfd(dir), path, &st, 0) < 0 || numbers_contains(&seen, st.st_ino))
                        continue;
                snprintf(path, sizeof(path), "%s/mountinfo", entry->d_name);
                if (read_file_at(dirfd(dir), path, MOUNTS_MAX, &text, NULL) < 0)
                        continue; /* another process may be in the same namespace */
                r = numbers_add(&seen, st.st_ino, NULL);
                if (r >= 0)
                        r = function((pid_t) strtol(entry->d_name, NULL, 10), &text, userdata);
                if (r != 0)
                        return r;
        }
        return r;
}

typedef struct Wanted {
        const char *path_end;
        pid_t pid;
} Wanted;

static int look(pid_t pid, char **text, void *userdata) {
        Wanted *wanted = userdata;

        for (const char *p = *text; (p = strstr(p, wanted->path_end));) {
                p += strlen(wanted->path_end);
                if (*p == ' ' || *p == '/') {
                        wanted->pid = pid;
                        return 1;
                }
        }
        return 0;
}

int mounted_find(const char *path_end, pid_t *ret) {
        Wanted wanted = { .path_end = path_end };
        int r = mounted_for_each(look, &wanted);

        if (r > 0)
                *ret = wanted.pid;
        return r;
}
