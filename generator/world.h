/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What translating one manifest may ask about everything else: asked through functions, so that translate stays
 * pure and a test can answer. */

typedef struct World {
        void *data;
        /* Does a manifest of that name yield a service? name is valid. */
        bool (*manifest_exists)(void *data, const char *name);
        /* Has systemd a unit file of that name that is not ours? */
        bool (*unit_exists)(void *data, const char *unit);
        /* Takes an alias for a manifest: NULL if it was free, else the name of the manifest that has it. */
        const char *(*alias_take)(void *data, const char *alias, const char *name);
        /* The other manifest whose machine has the same name and was there first, or NULL. */
        const char *(*machine_taken)(void *data, const char *name);
        /* Reads the template of that name for Boot=yes: 0, own bytes with a NUL behind and how many, or negative errno. */
        int (*template_read)(void *data, const char *name, char **ret, size_t *ret_size);
} World;

/* Is that a name of a unit (systemd.unit(5)): [A-Za-z0-9:_.\@-], a known suffix, under 256 bytes? */
bool world_unit_name_valid(const char *unit);
