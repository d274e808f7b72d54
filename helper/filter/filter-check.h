/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/filter/filter-decide.h"

/* What the program returns for a call, instruction by instruction as the kernel does it; -EOPNOTSUPP for one that is unknown
 * here. It knows nothing of decisions. */
int filter_run(const struct sock_filter *code, size_t n, const struct seccomp_data *call, uint32_t *ret);

/* Runs the two programs for each number that there is, and for each range of each architecture with arguments around all that
 * the old program compares them with; the decision says which ranges there are. -EBADE where they return different things. */
int filter_check(const Decisions *decisions, int decision, const struct sock_filter *old, size_t n_old,
                 const struct sock_filter *new, size_t n_new);
