/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Which descriptors of a user's root takes over. Whoever acts on an open file is asked for his own rights at times, and
 * not for those of who has opened it: files of the kernel judge the writer, a socket may tell its other end who writes,
 * a write of root's leaves the set-uid bit of what is written to, and root in a container without a user namespace could
 * give the file to the host's root, set-uid bit and all. */

/* For standard input, output or error: a pipe, a FIFO or a terminal, which exec does not hand in. */
bool gate_stream_fits(int fd);

/* For a file whose content is read, by our own programs alone: a regular file or a FIFO that is open for reading. It is
 * opened again by its number, so how it is open is looked at. */
bool gate_file_fits(int fd);
