/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What a verb says while it has a lock that a start waits for. Whoever reads it may stand still, on purpose: a user of
 * the gate (helper/gate) has both ends of the streams. So for them it is kept, and said when nothing is locked any more. */

#define HOLD_CALLER "BERTH_CALLER" /* the variable that the gate sets: for whom it is, a uid */

typedef struct Hold {
        int streams[2]; /* standard output and error as they were; negative: they are not held */
} Hold;

#define HOLD_NONE                  \
        (Hold) {                   \
                { -EBADF, -EBADF } \
        }

/* Is this for a user of the gate? */
static inline bool hold_for_user(void) {
        return getenv(HOLD_CALLER) != NULL;
}

/* From here on both go to memory, if it is for a user of the gate. */
void hold_begin(Hold *hold);

/* Says all of it. To be declared before what is locked: cleanups run backwards. */
void hold_end(Hold *hold);
#define _cleanup_hold_ _cleanup_(hold_end)
