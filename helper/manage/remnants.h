/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "common/base.h"

/* What clean and remove take away of containers: told line by line, or kept for JSON. */

typedef enum Remnant {
        REMNANT_PROCESSES,
        REMNANT_SCOPE,
        REMNANT_EPHEMERAL_LAYER,
        REMNANT_LAYER,
        REMNANT_SNAPSHOTS,
        REMNANT_VOLUMES,
        REMNANT_USER_IDS,
        REMNANT_STATE,
        REMNANT_UNIT,
        REMNANT_MACHINE,
        _REMNANT_MAX,
} Remnant;

typedef struct Remnants {
        json_object *array; /* borrowed; NULL: lines */
        unsigned n;         /* how many there were */
        bool failed;
} Remnants;

/* r: what its removal has returned; negative: it failed, which is logged; 0: there was none. The array gets objects of
 * the container's name and of what it was. */
void remnants_add(Remnants *remnants, int r, Remnant remnant, const char *container);
