/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Copying a directory's content between directories that are held as descriptors: files (shared blocks where the
 * file system can), directories, symbolic links and FIFOs with owner, mode, times, access lists and user.* attributes.
 * Devices and sockets are left out, nothing is followed, no mount is crossed. */

/* Copies what is in from_fd into to_fd, then from_fd's own owner and mode onto to_fd. Negative errno of the first
 * failure; what was copied by then stays. */
/* Copies the content of a regular file, sharing its blocks where the file system can, else without its holes. to_fd is
 * empty. */
int copy_data(int from_fd, int to_fd);

int copy_directory(int from_fd, int to_fd);
