/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "common/base.h"

/* What a program of a system call filter decides, whatever its instructions: a graph that is the same for two programs that
 * decide the same in ways that are understood here. */

#define FILTER_WORDS (sizeof(struct seccomp_data) / sizeof(uint32_t))
enum { WORD_NUMBER, WORD_ARCHITECTURE, WORD_FIRST_OTHER };

typedef enum DecisionKind {
        DECISION_RETURN, /* value is what the program returns */
        DECISION_RANGES, /* of the word, each from its first number to before the next one's; the first begins at 0 */
        DECISION_MASKED, /* ranges[1] where (word & mask) == value, else ranges[0] */
} DecisionKind;

typedef struct Range {
        uint32_t first;
        int decision; /* an index into Decisions.list, of one that is before this one */
} Range;

typedef struct Decision {
        DecisionKind kind;
        unsigned word; /* of struct seccomp_data, in fours of bytes */
        uint32_t mask, value;
        Range *ranges;
        size_t n_ranges;
} Decision;

typedef struct Decisions { /* no two are equal */
        Decision *list;
        size_t n;
} Decisions;

void decisions_done(Decisions *decisions);
#define _cleanup_decisions_ _cleanup_(decisions_done)

/* The index of what the program decides: ranges of architectures, of ranges of numbers, of what their arguments decide;
 * neither where it is one range alone. It holds for all values that there are, as each walk through the program tells how
 * far the next numbers go the same way. -EOPNOTSUPP for an instruction that is not understood, -E2BIG for a program
 * that branches too much; what was added to *decisions stays. */
int filter_decide(Decisions *decisions, const struct sock_filter *code, size_t n);
