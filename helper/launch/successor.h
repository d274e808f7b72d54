/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/launch/prepare.h"

/* The process that a launch leaves behind for a moment: it tells machined of the container, as the start waits for no
 * bus. That is the launcher itself, which is nobody to systemd any more: a process less to make, and none whose end
 * systemd has to look at while somebody waits for its word of the start. A command that is the leader itself does not see
 * its launcher die, as an init does: then the successor is made before the command runs, and sees it. */

/* When nothing else is left to do: frees launch. Returns what to exit with if there is no telling, and else does not. */
int successor_become(Launch *launch);

/* Forks one that waits for the launcher's words, written to *ret_fd. Logs. */
int successor_begin(Launch *launch, int *ret_fd);

/* 'M': the command may run from now on, and is killed if the launcher ends before it has said 'R': the container has
 * started. */
int successor_say(int fd, char word);
