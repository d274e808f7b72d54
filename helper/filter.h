/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The system call filter of everything that runs in a container. It is compiled when Berth is built
 * (filter-compile.c says what it refuses, and why) and only loaded here: a launch pays for no compiler. */

/* Loads the filter into the calling process for good; needs no_new_privs or CAP_SYS_ADMIN, seccomp(2).
 * restrict_suid_sgid: refuse as well to make set-uid and set-gid files, see RestrictSUIDSGID= in systemd.exec(5). */
int filter_load(bool restrict_suid_sgid);
