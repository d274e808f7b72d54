/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Trees below the data directories: out of sight first, by one rename, then piece by piece, so that a kill never
 * leaves half a tree under its name. Nothing logs. */

/* Removes name below dir_fd. 1: it is gone; 0: there was none. */
int aside_remove(int dir_fd, const char *name);

/* Removes what killed removals have left in dir_fd. Returns how many. */
int aside_sweep(int dir_fd);

/* Was it made or changed less than a minute ago? A container that is starting has its layer and its range, and holds its
 * image, before there is a state that says so: what is young is nobody's to judge. */
bool aside_is_young(int dir_fd, const char *name);
