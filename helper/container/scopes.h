/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "common/names.h"
#include "helper/container/state.h"

/* The scopes of exec --scope: units that stand beside the container's, in the same slice. They are found by their names
 * among its control groups, so that nothing has to be kept of them. */

#define SCOPE_UNIT_SIZE (sizeof("berth-exec--00000000.scope") + NAME_LENGTH_MAX)

/* "berth-exec-web-00c0ffee.scope". The colon of berth-exec-web:1-00c0ffee.scope is the @ of an instance, which no scope
 * can have (systemd.unit(5): only some types have templates). */
void scope_unit(const char *container, uint32_t id, char ret[static SCOPE_UNIT_SIZE]);

/* The container whose scope that unit is; -EINVAL: it is none of ours. */
int scope_container(const char *unit, char ret[static NAME_LENGTH_MAX + 1]);

/* Calls function for each scope of the container, with its control group and its unit, until one returns other than 0;
 * returns that. One that ends meanwhile is left out. */
int scopes_for_each(const State *state, int (*function)(int cgroup_fd, const char *unit, void *userdata),
                    void *userdata);

/* Is nothing left in it, by its control group? One that is active has a process of ours in it first and last, and with it
 * it ends; but not where that one was killed before systemd had moved it there (tried). */
bool scope_is_over(int cgroup_fd);

/* Ends all commands that are in them, see enter_kill(). */
int scopes_kill(const State *state);
