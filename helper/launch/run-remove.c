/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/run-remove.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/names.h"

bool run_exists(const char *name) {
        char path[sizeof(RUN_DIR) + NAME_LENGTH_MAX + 1];

        assert(name_valid(name, false));
        snprintf(path, sizeof(path), RUN_DIR "/%s", name);
        return access(path, F_OK) == 0;
}

/* Its kept layer and its volumes: nobody could ask for them again. */
static int forget(const char *name) {
        static const char *const kinds[] = { "layers", "volumes" };
        _cleanup_close_ int data_fd = open(BERTH_DATA_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = 0;

        if (data_fd < 0)
                return errno == ENOENT ? 0 : -errno;
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(kinds); i++) {
                _cleanup_close_ int fd = open_beneath(data_fd, kinds[i], O_RDONLY | O_DIRECTORY);

                r = fd == -ENOENT ? 0 : fd < 0 ? fd : remove_tree(fd, name);
        }
        return r;
}

int run_remove(const char *name) {
        char path[sizeof(RUN_UNIT_DIR) + NAME_LENGTH_MAX + sizeof(".service")];
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!run_exists(name))
                return 0;
        snprintf(path, sizeof(path), RUN_UNIT_DIR "/%s.service", name);
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        snprintf(path, sizeof(path), RUN_DIR "/%s/" RUN_FORGET, name);
        if (access(path, F_OK) == 0) {
                r = forget(name);
                if (r < 0)
                        return r;
        }
        fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : remove_tree(fd, name);
}
