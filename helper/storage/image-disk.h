/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/storage/digest.h"
#include "helper/text/progress.h"

/* Disk images in the store: a file at the place of the root directory, and its SHA-256 as digest. Its blocks are
 * copied, and nothing in them is read but the marks of its file system. */

/* Copies source_fd to a new file name below dir_fd, blocks shared where the file system can, holes kept. stop_fd: stops
 * with -EINTR once it can be read, or negative. what is printable. Logs. */
int image_disk_copy(int source_fd, int dir_fd, const char *name, const char *what, int stop_fd);

/* Its digest. Logs. */
int image_disk_digest(int fd, const char *what, int stop_fd, Digest *ret);
