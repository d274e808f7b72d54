/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Environment files: lines KEY=VALUE, the first "=" splits, "#" in column 1 is a comment, empty lines are skipped,
 * quotes are kept as they are. Anything else is an error. */

/* Is what stands before the "=" of assignment, or all of it, a name as such a file takes it? */
bool environment_name_valid(const char *assignment);

/* Adds what the file at path (on the host) sets to env, later lines win. Logs "PATH:LINE: ...". */
int environment_load(const char *path, char ***env);
