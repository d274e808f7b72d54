/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What was mounted into a running container: a file each in the directory "mounts" beside its state, called as the
 * mount's id and gone with the state. Does not log. */

typedef struct LiveMount {
        uint64_t id;            /* never used twice where the kernel has such (6.8), else as in mountinfo */
        uint64_t plain_id;      /* as in mountinfo */
        uint64_t device, inode; /* of its root */
        char *fields;           /* as of --mount= (common/contract.h); owned */
} LiveMount;

typedef struct LiveMounts {
        LiveMount *items; /* in the order of their ids, which is that of their making */
        size_t n;
} LiveMounts;

void live_mounts_done(LiveMounts *mounts);
#define _cleanup_live_mounts_ _cleanup_(live_mounts_done)

int live_mounts_read(const char *name, LiveMounts *ret);

/* Notes one; forgets one, which may be gone already. */
int live_mount_note(const char *name, const LiveMount *mount);
int live_mount_forget(const char *name, uint64_t id);
