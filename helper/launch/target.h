/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/launch/plan.h"

/* Where a mount goes inside of a container, whose files may be hostile. With the rights of its root, in its mount
 * namespace. Does not log. */

/* Opens target as the place for a mount of a directory or file. What is missing is made; an empty file in the way of a
 * directory, and the other way round, is replaced; -EISDIR and -ENOTDIR for what else is in the way. */
int target_open(int root_fd, const char *target, bool directory);

/* The detached file system of a mount that is a tmpfs. */
int target_tmpfs(const MountSpec *mount);
