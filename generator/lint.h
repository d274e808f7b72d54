/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/manifest.h"

/* What "berth check" says of a manifest that has no error in it: what this version refuses to start, and what gives
 * away more than it seems to. The generator says nothing of it. */

/* Adds warnings to m->diags and sorts them. */
void lint_manifest(Manifest *m);
