/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "common/base.h"
#include "helper/container/state.h"

/* What a control group and all below it use, as the kernel counts it (cgroup-v2.rst, "Interface Files", and psi.rst).
 * What it does not count on this host, for want of a controller, is not there. */

/* Adds cpu_usec, cpu_throttled_usec, memory_bytes, memory_peak_bytes, memory_max_bytes, swap_bytes, tasks, tasks_peak,
 * tasks_max, tasks_refused, io_read_bytes, io_write_bytes, oom_kills and pressure, an object of cpu, memory and io:
 * percent of the last ten seconds in which something waited for it. */
void usage_add(json_object *object, int cgroup_fd);

/* Adds "scopes", where there are any: a list of objects with the unit of a scope of exec --scope, in the order of these,
 * and the same of each. What the scopes use is not in what the container's unit does, which they stand beside. */
void usage_add_scopes(json_object *object, const State *state);

/* A member as a number; false where it is not there. */
bool usage_get(json_object *object, const char *name, uint64_t *ret);
