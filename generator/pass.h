/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/manifest.h"
#include "generator/text.h"
#include "generator/world.h"

/* What every unit of a manifest begins with, and systemd's own directives in it. Hides how references to manifests
 * become units, and that systemd cannot empty a list of dependencies. */

typedef struct Pass { /* borrows; what is wrong goes to m->diags */
        Manifest *m;
        const World *world;
        Text *text;
} Pass;

/* Adds the comment on where the unit comes from, and the beginning of [Unit]. Its description is the name and what is
 * said of it; NULL: none. 0 or -ENOMEM. */
int pass_head(Pass *p, const char *description);

/* Adds the directives of a section as the manifest has them, but of one name; NULL: all. 0 or -ENOMEM. */
int pass_section(Pass *p, const char *section, const char *but);

/* Adds those of one directive of [Service] alone, but what an empty one takes back: behind a command of ours, which it
 * must not take back as well. 0 or -ENOMEM. */
int pass_commands(Pass *p, const char *directive);

/* Does the manifest exist that name, in which specifiers may stand behind "@", will come to? 1, 0 or -ENOMEM. */
int pass_manifest_exists(const Pass *p, const char *name);

/* Adds the name of m as a unit has it, a template's with its instance, between two texts. */
void pass_name(Text *t, const Manifest *m, const char *before, const char *after);
