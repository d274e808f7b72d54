/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "common/contract.h"
#include "common/sha256.h"
#include "helper/container/state.h"
#include "helper/launch/filter-makers.h"
#include "helper/launch/plan.h"

/* The filter that a manifest asks for, SystemCallFilter= or SeccompProfile=. It is compiled once, by the program
 * berth-filter, and kept in /run/berth/filters under the SHA-256 of all that it was made from; a launch that finds it
 * there has no need of libseccomp. Nothing of that directory is believed that is not root's alone, made from exactly
 * this source, by the same compiler and library, and whole. */

#define FILTER_DIR BERTH_RUNTIME_DIR "/filters"

/* What each of the files begins with. */
typedef struct FilterHeader {
        char magic[8];
        uint8_t source[SHA256_SIZE],
                        program[SHA256_SIZE]; /* of what it was made from, and of what follows */
        FilterMaker makers[FILTER_MAKERS_MAX];
} FilterHeader;

/* Puts the filter into state; nothing to do for a plan without. Logs. */
int filter_own_prepare(const Plan *plan, State *state);
