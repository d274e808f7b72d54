/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/manifest.h"

/* What must hold between the keys of one manifest: what excludes what, what needs what, what would be without
 * effect. Each value was looked at alone by then. What is wrong goes to m->diags. */

/* 0 or -ENOMEM. */
int rules_check(Manifest *m);

/* The policy that the keys of [Network] mean: "custom" where lists say so without Policy=, else that of Policy=, or
 * NULL where nothing is said. */
const char *rules_policy(const Store *store);

/* "allow" or "deny": what a custom policy does with the rest. */
const char *rules_default(const Store *store);
