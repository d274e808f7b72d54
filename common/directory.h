/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>

#include "common/base.h"

/* What is in a directory. A directory that cannot be read to its end is an error here and never a shorter one: who
 * removes what is not listed, or trusts that nothing is there, must not be told less than there is.
 *
 *         r = directory_open(dir_fd, ".", 0, &dir);
 *         while (r >= 0 && (r = directory_next(dir, &entry)) > 0)
 *                 r = visit(dirfd(dir), entry->d_name); */

static inline void directory_closep(DIR **dir) {
        if (*dir)
                closedir(*dir);
}
#define _cleanup_directory_ _cleanup_(directory_closep)

/* Opens path below dir_fd, which may be O_PATH and keeps its own position, to be read from its beginning. flags as
 * open(2), which has O_NOFOLLOW. 0 or negative errno. */
int directory_open(int dir_fd, const char *path, int flags, DIR **ret);

/* The next entry, "." and ".." left out, which is valid until the next call. 1, at the end 0 (and *ret is left as it
 * was), or negative errno. One that is removed meanwhile has reached its end. */
int directory_next(DIR *dir, const struct dirent **ret);

/* All names in the directory path below dir_fd of which keep, if it is not NULL, says so; sorted by strcmp(3). The
 * caller owns them; NULL if there are none. 0 or negative errno, -EFBIG if it is more than a million. */
int directory_names(int dir_fd, const char *path, int flags, bool (*keep)(const char *name), char ***ret);

/* One to keep by: those that do not begin with a dot. */
static inline bool directory_is_visible(const char *name) {
        return name[0] != '.';
}

/* Lets this process open as many descriptors as it may: whoever walks a tree holds some for each level of it. */
void directory_allow_depth(void);
