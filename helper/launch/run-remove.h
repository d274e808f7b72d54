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

/* Makes RUN_DIR/NAME, as that of the berth run whose process client is. The directory, or -EEXIST. */
int run_claim(const char *name, pid_t client);

/* It lives on without client. */
int run_release(const char *name, pid_t client);

/* Is it client's, still? */
bool run_is_of(const char *name, pid_t client);

/* Removes it, and what a container without a name of its own has kept; of a name that was not run nothing is
 * touched. With a client only what is that one's: who waits for its end may come when the name is another's. */
int run_remove(const char *name, pid_t client);
