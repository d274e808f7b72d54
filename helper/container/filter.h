/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The system call filter of everything that runs in a container. What is the same for all is compiled when Berth is
 * built (filter-compile.c says what it refuses, and why) and only loaded here: a launch pays for no compiler. */

typedef struct Filter {          /* borrows */
        bool restrict_suid_sgid; /* no set-uid and set-gid files either, RestrictSUIDSGID= in systemd.exec(5) */
        bool network;            /* may set up its network, CAP_NET_ADMIN: by generic netlink, too */
        bool replaces;       /* the container's own stands in the default's place: only its floor is kept */
        const void *program; /* the container's own, struct sock_filter[]; the kernel takes the stricter answer */
        size_t size;         /* 0: it has none */
} Filter;

/* Loads them into the calling process for good; needs no_new_privs or CAP_SYS_ADMIN, seccomp(2). */
int filter_load(const Filter *filter);
