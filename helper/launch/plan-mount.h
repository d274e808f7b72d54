/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/launch/plan.h"

/* One --mount= of a plan: its fields, what must hold between them, and how --dry-run shows it. */

/* Reads the fields and adds the mount to plan. Logs what is wrong. */
int mount_spec_add(Plan *plan, const char *text);

/* Adds a copy of a mount. 0 or -ENOMEM. */
int mount_spec_append(Plan *plan, const MountSpec *mount);

/* Is path absolute, and without a ".." that would make the order of targets meaningless? */
bool path_plain(const char *path);

const char *mount_type_to_string(MountType type);

void mount_spec_done(MountSpec *mount);
void mount_spec_print(FILE *f, const MountSpec *mount);
