/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "common/base.h"

/* A shorter program that allows and refuses the very same. When it is loaded, the kernel runs it once for each number of a
 * system call and translates each of its instructions, which is what a start with it takes (decision 0038). native is the
 * machine's architecture, AUDIT_ARCH_.
 *
 * Freed with free(3). -EOPNOTSUPP where the program has an instruction that is not understood here, -E2BIG where it branches
 * too much, -ENOENT where none is shorter, -EBADE where what was made is not the same, which would be a bug of ours: then
 * the program stays as it is. */
int filter_shorten(const struct sock_filter *code, size_t n, uint32_t native, struct sock_filter **ret,
                   size_t *ret_n);
