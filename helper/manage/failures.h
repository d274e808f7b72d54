/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "helper/container/bus.h"

/* What the host has run for a container and has failed: its hooks, and the commands of its unit beside the launch. systemd
 * keeps how each has ended until the unit starts again; of a hook by the exit status of the cleanup that has run it. */

/* Adds "failed_commands", where there are any: a list of objects with directive (of [Service], or of [Hooks]: "Error"),
 * command, a list of words, exit_status or exit_signal, and ended. */
void failures_add(json_object *object, const UnitStatus *status);

/* Prints a line for each. */
void failures_print(json_object *object);
