/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Files by descriptor. A path that a container can influence is opened through open_in_root() and nothing
 * else; what comes back is checked and held as a descriptor. All return 0 (or a descriptor) or negative errno. */

/* openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: links, absolute ones and ".." included, stay below
 * root_fd. flags as open(2), O_CLOEXEC added. Retries the EAGAIN of a rename race a bounded number of times. */
int open_in_root(int root_fd, const char *path, int flags);

/* As open_in_root(), but a symbolic link anywhere in path is -ELOOP. For what must not be redirected at all. */
int open_beneath(int dir_fd, const char *path, int flags);

/* Opens path below root_fd, which may be hostile, as a regular file for reading: never blocks on a FIFO, never
 * touches a device. -EINVAL if it is something else than a regular file. */
int open_regular_in_root(int root_fd, const char *path);

/* Makes and opens directory path below dir_fd with all its parents, following no link (-ELOOP) and replacing
 * nothing (-ENOTDIR). New directories get mode, less the umask. */
int make_path(int dir_fd, const char *path, mode_t mode);

/* The same, links resolved inside of root_fd, as for a mount's target in an image. New parts are 0755. */
int make_path_in_root(int root_fd, const char *path);

/* Reads what is left of fd into *ret, NUL-terminated; -EFBIG if it is more than max bytes. */
int read_fd(int fd, size_t max, char **ret, size_t *ret_size);
int read_file_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size);

/* Writes all of data to fd. */
int write_fd(int fd, const void *data, size_t size);

/* Writes to a file that exists and whose write is one call: /proc, /sys and cgroup files. */
int write_string_at(int dir_fd, const char *path, const char *text);

/* Makes path hold data, whole or not at all: a temporary file beside it, renamed over it. */
int write_file_at(int dir_fd, const char *path, const void *data, size_t size, mode_t mode);

/* Removes name below dir_fd with everything in it, following no link and crossing no mount. 0 if there is
 * nothing of that name. */
int remove_tree(int dir_fd, const char *name);
