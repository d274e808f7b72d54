/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/data.h"

#include <fcntl.h>

#include "common/contract.h"
#include "common/fs.h"

int data_open(const char *name) {
        _cleanup_close_ int fd = open(BERTH_DATA_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT)
                fd = make_path(AT_FDCWD, BERTH_DATA_DIR, 0755);
        else if (fd < 0)
                fd = -errno;
        return fd < 0 ? fd : make_path(fd, name, 0700);
}
