/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/exec/collect.h"
#include "helper/exec/guard.h"

/* What exec --json says of a command, and how. */

typedef struct Result {
        Failure failure;
        const char *message;       /* of the failure, or NULL */
        const GuardReport *report; /* what it does not know is null */
        uint64_t duration_usec;
        const Collect *collect; /* NULL: it never came to that */
} Result;

/* One line, an object, to standard output. */
int result_print(const Result *result);
