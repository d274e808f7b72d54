/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The groups of system calls that systemd.exec(5), "System Call Filtering", names: which calls they are is an
 * interface, so they are here what they are there. A test compares them with "systemd-analyze syscall-filter". */

typedef struct FilterGroup {
        const char *name;  /* "@file-system" */
        const char *calls; /* names of calls and of other groups, one blank between */
} FilterGroup;

extern const FilterGroup filter_groups[]; /* ends at a row without a name */

/* NULL if there is none of that name. "@known" has no row: it is every call that there is. */
const FilterGroup *filter_group_find(const char *name);
