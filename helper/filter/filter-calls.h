/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <seccomp.h>

#include "common/base.h"

/* What every filter of ours shares, whether it is compiled with Berth or at a container's first start: names and
 * numbers of system calls, the architectures, and the instructions before those of libseccomp. */

/* The last system call that Berth has an opinion on; later ones do not exist for a container until someone has looked
 * at them (mseal is 462, open_tree_attr 467). */
#define FILTER_LAST_KNOWN 462

/* The number of a call, which libseccomp may be too old to know, or __NR_SCMP_ERROR. Negative numbers other than that
 * are of calls that another architecture has. */
int filter_call_number(const char *name);

/* The names of calls from 424 on, which have one number on every architecture; ends at NULL. */
const char *filter_call_newer(size_t i);

#define FILTER_LATE_MAX 64

typedef struct Build {
        scmp_filter_ctx library;
        struct {
                int number;
                uint32_t action;
        } late[FILTER_LATE_MAX]; /* calls that the library is too old for */
        size_t n_late;
} Build;

void build_done(Build *build);
#define _cleanup_build_ _cleanup_(build_done)

/* Begins a filter with that default action for the machine's architecture and the 32-bit one beside it. Whatever comes
 * by another is ENOSYS. */
int build_begin(Build *build, uint32_t default_action);

/* Adds a rule for a call by its number; all n conditions have to hold. A call that only other architectures have counts for
 * nothing. -EOPNOTSUPP for conditions on a call that is too new; -EEXIST for a rule that is not had beside one with another
 * action: of the same conditions, or on x86 of socket(2) and its like, which 32-bit programs have behind one number. */
int build_add(Build *build, uint32_t action, int number, const struct scmp_arg_cmp *args, unsigned n);

/* Writes struct sock_filter after struct sock_filter, behind instructions of our own: calls that are too new or of x32
 * do not exist. Freed with free(3). 0 or negative errno, -E2BIG for more than the kernel takes. */
int build_export(const Build *build, void **ret, size_t *ret_size);
