/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/filter.h"
#include "helper/container/user.h"

/* What a process may still do, fixed as the last thing before exec: credentials, capabilities, no_new_privs, the
 * system call filter. The order inside is the module's secret. Does not log. */

typedef struct Confinement {
        const User *user;
        uint64_t capabilities; /* capabilities(7), a bit each: the bounding set; root has them */
        uint64_t ambient;      /* those of them that other users have as well */
        bool no_new_privs;
        bool bounded; /* confine_bounding() has left capabilities alone already */
        Filter filter;
} Confinement;

/* Drops all but keep from the bounding set, which is about what will be executed: what the caller may do itself stays. It is
 * a system call for each, which may be made as soon as there is time. */
int confine_bounding(uint64_t keep);

/* Has the kernel change to an AppArmor profile (NULL: none) at the next exec. proc_fd: the host's /proc, which no
 * container has made. */
int confine_apparmor(int proc_fd, const char *profile);

/* Takes the user's ids and drops everything else, for good. For the last process before exec only, which is unreadable
 * for others (PR_SET_DUMPABLE) already. */
int confine_apply(const Confinement *confinement);

/* Loads the filter, which may refuse whatever is not exec itself: the very last step. */
int confine_seal(const Confinement *confinement);

/* Leaves the calling process, root in its user namespace, with no capability but those in keep, and makes its
 * memory and descriptors unreadable for others (PR_SET_DUMPABLE). For the built-in init. */
int confine_init(uint64_t keep);

/* Leaves the caller's session keyring, which holds his keys (keyctl(2), session-keyring(7)), for one that is empty. */
int confine_keyring(void);

/* Marks every descriptor from first on close-on-exec. */
int confine_descriptors(int first);
