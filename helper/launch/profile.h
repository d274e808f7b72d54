/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/launch/plan.h"

/* Profile=: a root without an image, made of the host's own files. An empty tmpfs gets what a root needs, and on it
 * are bound, read-only and without set-uid, those parts of the host that the profile lets the container see. Nothing is
 * bound that is not named: a directory that appears on the host tomorrow is hidden. Ids are not mapped, so that the
 * container's root is nobody to these files and reads what everyone may read. */

typedef struct ProfileBind {
        char *path; /* of the host and inside; owned */
        int fd;     /* detached clone of it, with what is mounted below */
} ProfileBind;

typedef struct ProfileRoot {
        int fd;             /* detached tmpfs, or negative */
        ProfileBind *binds; /* parents first */
        size_t n_binds;
} ProfileRoot;

#define PROFILE_ROOT_NONE    \
        (ProfileRoot) {      \
                .fd = -EBADF \
        }

void profile_root_done(ProfileRoot *root);

/* Adds to the plan what the profile implies: a private /tmp, ReadPath= and WritePath= as mounts, what is hidden. Refuses
 * what it cannot be had with. Logs. */
int profile_extend(Plan *plan);

/* Makes the root for a container whose uid and gid 0 are that of the host. Logs. */
int profile_open(const Plan *plan, uid_t uid, ProfileRoot *ret);
