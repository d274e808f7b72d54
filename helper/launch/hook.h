/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/state.h"

/* What [Hooks] of a manifest has the host run. Words, no shell, as root; of variables only those that berth.manifest(5)
 * names. */

#define HOOK_SECONDS 30

/* Runs argv and waits for it, 30 seconds at most; what it has started and is in its process group ends then too. state:
 * what is known of the container, with its name at least; unit may be NULL. error: BERTH_ERROR. 0, or, logged, what
 * it has ended with, as exec would have it (contract.h): its exit status, 128 + its signal, EXIT_TIMED_OUT,
 * EXIT_NOT_EXECUTABLE or EXIT_NOT_FOUND; EXIT_BERTH: it could not be run or waited for. Its own 125 becomes 1, or who keeps
 * it could not tell the two apart. */
int hook_run(char *const argv[], const State *state, const char *unit, const char *error);
