/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/pass.h"

/* The other manifests that one refers to with its own keys: Mode=join:OTHER and mounts of Type=pointer need OTHER to
 * run, Link=OTHER wants it. */

/* Adds the dependencies to [Unit]. One on nothing is an error in m->diags. 0 or -ENOMEM. */
int references_add(Pass *p);
