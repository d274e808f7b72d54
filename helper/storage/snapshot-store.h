/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Where snapshots of kept layers are, and who may change them: snapshots/NAME/TAG/, a copy of layers/NAME without its
 * work/, and record.json. Who holds snapshots/NAME locked makes, removes and restores; what is named .new-* or .dead-*
 * was then left by somebody who was killed. Nothing logs. */

#define SNAPSHOT_NEW ".new-"

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
bool snapshot_tag_valid(const char *tag);

/* Opens snapshots/NAME without locking it, to look. -ENOENT: there is none. */
int snapshot_open(const char *name);

/* Opens (and makes) and locks it, and removes what killed ones left, here and in the layers. -EBUSY: somebody is at
 * work. */
int snapshot_lock(const char *name);

/* Its tags, sorted. */
int snapshot_list(int dir_fd, char ***ret);

/* The containers that have some, sorted. */
int snapshot_containers(char ***ret);

/* Removes what killed ones left, for all containers of which nobody is at work. */
int snapshot_sweep(void);
