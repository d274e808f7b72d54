/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What berth run has written for container name (run.h). */

/* Is there anything? */
bool run_exists(const char *name);

/* Removes it; of a name that was not run nothing is touched. */
int run_remove(const char *name);
