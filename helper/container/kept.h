/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Variables that execs in a container have besides its leader's, until it stops: "variables" in its state directory,
 * NUL-separated NAME=VALUE, 0600. Does not log. */

/* Adds them to env. Without any nothing is added. -EBADMSG: damaged. */
int kept_load(const char *name, char ***env);

/* Sets some (NAME=VALUE) and forgets others (NAME), at once: whole or not at all, and nothing that somebody else sets
 * meanwhile is lost. -ENOENT: no container of that name has a state. */
int kept_change(const char *name, char *const *set, char *const *unset);
