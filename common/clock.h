/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <time.h>

#include "common/base.h"

/* What a clock of the kernel says (clock_gettime(2)), in one number. Inline, as the init keeps few pages. */

static inline uint64_t clock_usec(clockid_t id) {
        struct timespec now = {};

        (void) clock_gettime(id, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* For what is to last, or has lasted: nobody sets this one. */
static inline uint64_t monotonic_usec(void) {
        return clock_usec(CLOCK_MONOTONIC);
}

static inline uint64_t monotonic_ms(void) {
        return monotonic_usec() / 1000;
}
