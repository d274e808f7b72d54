/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What is made for a container: RUN_DIR/NAME/NAME.berth and its drop-in, and RUN_UNIT_DIR/NAME.service. Where the
 * first is, the second is ours to remove. */
#define RUN_DIR      "/run/berth/run"
#define RUN_UNIT_DIR "/run/systemd/system"

/* In RUN_DIR/NAME: whoever ran it gave it no name, so what it keeps is forgotten with it. */
#define RUN_FORGET "forget"

/* What berth run has written for container name (run.h). */

/* Is there anything? */
bool run_exists(const char *name);

/* Removes it, and what a container without a name of its own has kept; of a name that was not run nothing is
 * touched. */
int run_remove(const char *name);
