/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Who a process in a container is: names looked up in the container's own /etc/passwd and /etc/group, which are
 * hostile files. No NSS, no code of the image; regular files only, of bounded size, opened inside the root. */

typedef struct User {
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* primary group first, each once */
        size_t n_groups;
        char *name;  /* NULL where passwd has no entry for uid */
        char *home;  /* "/" where unknown */
        char *shell; /* "/bin/sh" where unknown */
} User;

void user_done(User *user);
#define _cleanup_user_ _cleanup_(user_done)

/* Looks up user and group below root_fd. NULL user: root. NULL group: the user's own of passwd; of a number that
 * passwd does not list, the group of the same number (never silently 0). Digits only are always a number, 0 to
 * 4294967294, and need no files; else the name must stand in the file. Does not log.
 * Errors: -ESRCH no such user, -ENXIO no such group, -EINVAL an empty name or a number out of range, -EMSGSIZE
 * a file over 1 MiB, -ENOTSUP a passwd or group that is no regular file. */
int user_resolve(int root_fd, const char *user, const char *group, User *ret);

/* The same without groups: they are empty, gid is that of passwd, and group is not read. */
int user_find(int root_fd, const char *user, User *ret);

/* Adds a group of the container's own /etc/group, or a number. Errors as above. */
int user_add_group(int root_fd, const char *group, User *user);

/* A sentence's end for an error of user_resolve(): "no such user in the container's /etc/passwd". */
const char *user_strerror(int error);

/* Adds HOME, USER, LOGNAME and SHELL to env where they are not set yet. */
int user_fill_env(const User *user, char ***env);
