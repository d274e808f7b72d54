/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/state.h"
#include "helper/launch/plan.h"

/* Which ids a container finds on its mounts. */

/* Are the numbers on disk others than those that the kernel counts for the container? Not with PrivateUsers=no and
 * =identity. */
bool idmap_shifts(const State *state);

/* Maps the ids of a mount's detached tree, as IDMap= has it or else as userns_fd does (negative: not at all). Logs. */
int idmap_mount(const MountSpec *mount, const State *state, int tree_fd, int userns_fd);

/* Says why the ids of fd could not be mapped; own: by an IDMap= of its own. */
int idmap_failed(const State *state, int error, int fd, bool own, const char *what, const char *which);
