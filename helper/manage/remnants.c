/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/remnants.h"

#include "common/log.h"
#include "helper/text/print.h"

void remnants_add(Remnants *remnants, int r, Remnant remnant, const char *container) {
        static const struct {
                const char *word, *text;
        } rows[_REMNANT_MAX] = {
                [REMNANT_PROCESSES] = { "processes", "the processes" },
                [REMNANT_SCOPE] = { "scope", "a scope" },
                [REMNANT_EPHEMERAL_LAYER] = { "ephemeral-layer", "the ephemeral layer" },
                [REMNANT_LAYER] = { "layer", "the kept layer" },
                [REMNANT_SNAPSHOTS] = { "snapshots", "the snapshots" },
                [REMNANT_VOLUMES] = { "volumes", "the volumes" },
                [REMNANT_USER_IDS] = { "user-ids", "the user ids" },
                [REMNANT_STATE] = { "state", "the state" },
                [REMNANT_UNIT] = { "unit", "the unit" },
                [REMNANT_MACHINE] = { "machine", "the entry at systemd-machined" },
        };
        json_object *object;

        if (r == -EBUSY)
                (void) log_error_errno(
                                r,
                                "cannot remove %s of container '%s': a start or somebody else just uses it; try again",
                                rows[remnant].text, container);
        else if (r < 0)
                (void) log_error_errno(r, "cannot remove %s of container '%s': %m", rows[remnant].text,
                                       container);
        remnants->failed |= r < 0;
        if (r <= 0)
                return;
        remnants->n++;
        if (!remnants->array) {
                log_info("removed %s of container '%s'", rows[remnant].text, container);
                return;
        }
        object = json_object_new_object();
        json_add_string(object, "container", container);
        json_add_string(object, "removed", rows[remnant].word);
        json_object_array_add(remnants->array, object);
}
