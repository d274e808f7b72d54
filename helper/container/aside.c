/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/aside.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "common/directory.h"
#include "common/fs.h"

#define DEAD          ".dead-"
#define YOUNG_SECONDS 60

int aside_remove(int dir_fd, const char *name) {
        uint64_t number;
        char dead[32];
        int r;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return -EIO;
        snprintf(dead, sizeof(dead), DEAD "%016" PRIx64, number);
        if (renameat2(dir_fd, name, dir_fd, dead, RENAME_NOREPLACE) < 0)
                return errno == ENOENT ? 0 : -errno;
        r = remove_tree(dir_fd, dead);
        return r < 0 ? r : 1;
}

int aside_sweep(int dir_fd) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r, n = 0;

        r = directory_open(dir_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0)
                if (startswith(entry->d_name, DEAD)) {
                        r = remove_tree(dir_fd, entry->d_name);
                        n++;
                }
        return r < 0 ? r : n;
}

bool aside_is_young(int dir_fd, const char *name) {
        struct timespec now;
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        clock_gettime(CLOCK_REALTIME, &now);
        return st.st_ctim.tv_sec > now.tv_sec - YOUNG_SECONDS;
}
