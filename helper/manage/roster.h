/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "common/base.h"
#include "helper/container/bus.h"
#include "helper/container/inventory.h"

/* The containers of this machine: those that run, by their state, and those that could, by their units. Does not
 * log. */

typedef struct Entry {
        Item item;         /* of one that does not run: name, unit, image and labels, as its unit has them */
        const char *state; /* "running", "frozen", or a word of roster_state() */
        const char *network; /* process_read_network(); NULL where it does not run */
} Entry;

typedef struct Roster {
        Entry *entries; /* in the order of their names */
        size_t n;
} Roster;

void roster_done(Roster *roster);
#define _cleanup_roster_ _cleanup_(roster_done)

/* With all, those that do not run too: -ENOTCONN without systemd. */
int roster_read(sd_bus *bus, bool all, Roster *ret);

/* Of one that runs; NULL where it has ended meanwhile. */
const char *roster_network(const State *state);

/* Is that the unit of container name? Of one that is masked systemd knows nothing: its manifest tells. */
bool roster_is_container(const char *name, const UnitStatus *status);

/* What to call a container without a leader: "starting", "restarting", "stopping", "failed", "stopped" or "masked". */
const char *roster_state(const UnitStatus *status);

/* Is it one of the words above? */
bool roster_is_state(const char *word);
