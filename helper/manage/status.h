/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "common/base.h"
#include "helper/container/inventory.h"
#include "helper/text/colour.h"

/* What berth status shows of a container, and berth inspect before the rest. */

/* Fills object. -1: go on, whether it runs tells *item; else the exit status, logged. */
int status_collect(const char *name, Item *item, json_object *object);

/* What a verb exits with that has shown object. */
int status_exit(const Item *item, json_object *object);

/* Begins a line of text: what the label names follows; "": it goes on. */
void status_label(const char *label);

/* Prints a time of JSON, in local time. */
void status_print_date(const char *utc);

/* Prints it as text. */
void status_print(json_object *object);

/* Of a word for a state or for health. */
Colour status_colour(const char *word);

/* "healthy", "unhealthy", "starting"; "none" where nothing checks it. */
const char *status_health(const Item *item, sd_bus *bus);
