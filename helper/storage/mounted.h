/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The mount tables of all processes, whoever they are: what they hold is in use, whatever a state says. */

/* Calls function with each table (proc_pid_mountinfo(5)) and a process that has it. It may take the text over. Ends where
 * it returns other than 0, with that; or with negative errno. */
int mounted_for_each(int (*function)(pid_t pid, char **text, void *userdata), void *userdata);

/* A process that has something mounted of a directory whose path ends in so, or of what is below it. 1, 0 or negative
 * errno. */
int mounted_find(const char *path_end, pid_t *ret);
