/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/launch/root.h"

/* ReadOnlyPaths= and InaccessiblePaths=: what is there in the finished root, with all that is mounted below it, is
 * covered by itself, read-only, or by something empty. */

/* Covers the plan's paths; "-" before one lets it be missing. Logs. */
int cover_paths(Root *root);
