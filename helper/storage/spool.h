/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Input that is read to its end before anything is locked: whoever writes it may stand still for as long as they like,
 * and so may a file system of theirs. */

/* Does fd have to be spooled, so that nobody else waits for it? Not what root has said, if it is a file. */
bool spool_needed(int fd);

/* Reads fd, an archive, to its end into a file without a name, which is returned, at its beginning. max: what may be in
 * it; its headers come on top. what: it, for messages. Logs. */
int spool_read(int fd, uint64_t max, const char *what);
