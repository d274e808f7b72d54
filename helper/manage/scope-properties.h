/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/manage/transient.h"

/* Properties of a scope as its user writes them, "NAME=VALUE" of systemd.resource-control(5) and systemd.kill(5), and as
 * the manager takes them. What would let a command out of its container, or outlive it, is not among them. */

/* Is it one? -EINVAL, logged. */
int scope_property_check(const char *assignment);

/* Adds it. -EINVAL, logged, as well as all else. */
int scope_property_add(Transient *transient, const char *assignment);

/* Does it say what the property of that name on the bus says? */
bool scope_property_is(const char *assignment, const char *bus_name);

/* Without which cgroup controller it means nothing; NULL: it needs none. It is one that was checked. */
const char *scope_property_controller(const char *assignment);
