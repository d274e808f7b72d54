/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/inventory.h"

/* A container that stands still while something is done with its files, and goes on however we end: a process beside
 * us thaws it when we have gone. */

typedef struct Frozen {
        int pipe_fd; /* what the other waits on */
        pid_t keeper;
} Frozen;

#define FROZEN_NONE               \
        (Frozen) {                \
                .pipe_fd = -EBADF \
        }

/* Has all processes of a container that runs stand still, or go on, and waits until they do. While they stand still there
 * is a unit that thaws them before theirs is stopped. Where it fails all go on. Logs. -ETIMEDOUT: one of them does not
 * stand still. -ECANCELED: somebody else does the opposite. -EBUSY: it is just stopping. */
int frozen_set(const Item *item, bool freeze);

/* Freezes it. One that is frozen already stays so. Logs. */
int frozen_begin(const Item *item, Frozen *ret);

/* Has it stood still all the time? -ESTALE, logged: it was thawed or has ended. */
int frozen_check(const Item *item);

/* Thaws it; nothing for one that was not frozen by us. Logs. */
int frozen_end(Frozen *frozen);

static inline void frozen_endp(Frozen *frozen) {
        (void) frozen_end(frozen);
}
#define _cleanup_frozen_ _cleanup_(frozen_endp)
