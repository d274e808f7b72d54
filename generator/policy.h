/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What of systemd's directives a manifest may not pass on, and why: Berth sets them itself, or on a process that
 * clones namespaces they hang the start, break it or are silently without effect (each was tried, SURFACE 4). */

/* What to use instead of a directive that is refused, or NULL if it may pass. section is Unit or Service. */
const char *policy_refusal(const char *section, const char *directive);

/* Is it a directive of systemd's as well as a key of ours, with the same meaning? */
bool policy_shared(const char *directive);

/* Is that [Unit] directive a list of units, in which "x.berth" stands for a service of ours? */
bool policy_references(const char *directive);
