/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/launch/prepare.h"

/* The process that a launch leaves behind for a moment: it tells machined of the container, as the start waits for no
 * bus. A command that is the leader itself does not see its launcher die, as an init does: then the successor is made
 * before the command runs, and sees it. */

/* Forks one that has nothing left to do but that. */
void successor_register(Launch *launch);

/* Forks one that waits for the launcher's words, written to *ret_fd. Logs. */
int successor_begin(Launch *launch, int *ret_fd);

/* 'M': the command may run from now on, and is killed if the launcher ends before it has said 'R': the container has
 * started. */
int successor_say(int fd, char word);
