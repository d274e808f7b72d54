/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/run-remove.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/fs.h"
#include "common/names.h"

bool run_exists(const char *name) {
        char path[sizeof(RUN_DIR) + NAME_LENGTH_MAX + 1];

        assert(name_valid(name, false));
        snprintf(path, sizeof(path), RUN_DIR "/%s", name);
        return access(path, F_OK) == 0;
}

int run_remove(const char *name) {
        char path[sizeof(RUN_UNIT_DIR) + NAME_LENGTH_MAX + sizeof(".service")];
        _cleanup_close_ int fd = -EBADF;

        if (!run_exists(name))
                return 0;
        snprintf(path, sizeof(path), RUN_UNIT_DIR "/%s.service", name);
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : remove_tree(fd, name);
}
