/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Loop devices that are gone with their last user, however that ends. */

typedef struct Loop {
        uint64_t offset, size; /* of the part of the file that it shows; size 0: up to the end */
        bool writable;
} Loop;

/* Sets one up for file_fd, and returns its number and in *ret_fd the descriptor that keeps it until it is mounted. Logs,
 * name being the image's or the like. */
int loop_attach(int file_fd, const Loop *loop, const char *name, int *ret_fd);

/* The number of one that shows file_fd already; *ret_fd keeps it. -ENOENT: there is none. Does not log. */
int loop_find(int file_fd, int *ret_fd);
