/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The end of everything in a control group: TERM, two seconds, KILL, wait until nothing lives in it. Waits for the
 * kernel's word, never by the clock alone. */

#define ENDING_GRACE_MS 2000

/* proc_fd: the host's /proc, as the caller may be in the container's mount namespace. -ETIME: something is left that
 * even KILL has not ended. */
int ending_run(int unit_fd, int proc_fd, const char *name);

/* Waits for its members to end by themselves: 1 when nothing lives in it, 0 if something still does after
 * timeout_ms. */
int ending_wait(int unit_fd, const char *name, uint64_t timeout_ms);
