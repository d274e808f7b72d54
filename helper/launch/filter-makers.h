/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <sys/stat.h>

#include "common/base.h"

/* The files that compiled a filter: the compiler and the library that knows the numbers of the calls. A filter holds only
 * as long as they are the same, whatever version they say they are: another build has another table. */

#define FILTER_COMPILER   BERTH_LIBEXECDIR "/berth-filter"
#define FILTER_MAKERS_MAX 2
#define FILTER_MAKER_PATH 256

typedef struct FilterMaker {
        char path[FILTER_MAKER_PATH]; /* empty: none */
        uint64_t device, inode, size;
        int64_t changed_sec, changed_nsec; /* st_ctim, which nobody can set back */
} FilterMaker;

/* What is at path now. */
static inline int filter_maker_look(const char *path, FilterMaker *ret) {
        FilterMaker maker = {};
        struct stat st;

        if (strlen(path) >= sizeof(maker.path))
                return -ENAMETOOLONG;
        if (stat(path, &st) < 0)
                return -errno;
        memcpy(maker.path, path, strlen(path));
        maker.device = st.st_dev;
        maker.inode = st.st_ino;
        maker.size = (uint64_t) st.st_size;
        maker.changed_sec = st.st_ctim.tv_sec;
        maker.changed_nsec = st.st_ctim.tv_nsec;
        *ret = maker;
        return 0;
}
