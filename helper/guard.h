/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Ends everything that an exec has started when its time is over or when the client is gone, be it by kill -9: a
 * small process outside of the container and of the client's own cgroup, waiting on a pipe. It keeps the time too,
 * so that a stopped client does not stop the clock. */

typedef struct Guard {
        int pidfd;
        int order_fd; /* our end of the pipe; its end is an order as well */
} Guard;

#define GUARD_NONE                                  \
        (Guard) {                                   \
                .pidfd = -EBADF, .order_fd = -EBADF \
        }

void guard_done(Guard *guard);
#define _cleanup_guard_ _cleanup_(guard_done)

typedef enum GuardOrder {
        GUARD_STARTED = 's',   /* the command runs: the clock starts */
        GUARD_FINISHED = 'f',  /* it ended by itself: remove its cgroup unless somebody was left in it */
        GUARD_HANG_UP = 'h',   /* TERM to all, two seconds later KILL */
        GUARD_INTERRUPT = 'i', /* a signal was passed on: two seconds for it, then as hang-up */
} GuardOrder;

/* Starts the guard of cgroup name below unit_fd, in a cgroup of its own beside it. timeout_usec: 0 for none. */
int guard_start(int unit_fd, const char *name, uint64_t timeout_usec, Guard *ret);

/* -EPIPE: the guard is dead, and guard_end() left to do. */
int guard_order(const Guard *guard, GuardOrder order);

/* Waits for its end. Returns 0 for nothing done, 1 for all ended by order, EXIT_TIMED_OUT for all ended by the
 * clock, -ETIME if something is left that even KILL has not ended, -ECHILD if the guard was killed. */
int guard_wait(Guard *guard);

/* What the guard does: TERM, two seconds, KILL, remove the cgroup. 0 or -ETIME. */
int guard_end(int unit_fd, const char *name);
