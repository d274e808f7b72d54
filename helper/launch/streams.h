/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

#include <sys/stat.h>

/* What a command has as 0, 1 and 2 is a way to a file of the host: a descriptor can be opened anew for more
 * (/proc/self/fd), its mode and owner can be changed by whom the file belongs to, and from a directory the host's root is
 * not far. Where root inside is the host's, all files belong to him. */

/* The null device, by its numbers. */
bool stream_is_null(const struct stat *st);

/* Is standard output or error a file (a device, a FIFO with a name) of the host's, such as one of StandardOutput= in
 * systemd.exec(5)? */
bool streams_lead_to_files(void);

/* Refuses what must not be handed in, and makes standard input read-only in every respect if it is a file. Logs. */
int streams_protect(void);

/* Opens the file of fd anew, through a mount of its own where nobody can write to it or change what it is, and puts that in
 * fd's place; it goes on where fd was. -EINVAL: it is of a mount that is not in our namespace. */
int stream_make_read_only(int fd);

/* In the leader: puts the container's own null device, of its /dev as dev_fd, where there is the host's. */
int streams_take_null(int dev_fd);
