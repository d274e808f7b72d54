/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/exec/inside.h"
#include "helper/storage/extract.h"
#include "helper/text/progress.h"

/* Trees that nobody vouches for, as tar archives (pax): files with their holes, directories, symbolic and hard links,
 * FIFOs, with numeric owners, modes, modification times, access control lists and user.* attributes. Left out are file
 * capabilities, sockets, devices, and what the kernel makes up (/proc, /sys and the like); other mounts are entered.
 * Nothing is followed, no device is opened and nothing is waited for. */

typedef struct Pack { /* borrows */
        const Inside *inside;
        const char *what; /* for messages */
        int out_fd;
        bool zstd;
        bool no_set_id;     /* modes without set-uid and set-gid bits */
        const uid_t *owner; /* of all, and the group, and there are no access lists; NULL: whose they are */
        const gid_t *group;
        ExtractLimits limits;
        Progress *progress;
} Pack;

/* Writes what is name in dir_fd, and all that is below it, as an archive in which it is called as ("." of a directory
 * puts what is in it at the top). -EPIPE is not logged, everything else is. */
int pack_tree(const Pack *pack, int dir_fd, const char *name, const char *as);
