/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/aside.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/fs.h"

#define DEAD ".dead-"

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
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                n = -errno;
                close_fd(fd);
                return n;
        }
        for (struct dirent *entry; n >= 0 && (entry = readdir(dir));)
                if (startswith(entry->d_name, DEAD)) {
                        int r = remove_tree(dir_fd, entry->d_name);

                        n = r < 0 ? r : n + 1;
                }
        closedir(dir);
        return n;
}
