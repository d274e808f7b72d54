/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/container/bus.h"

/* Entries of containers at systemd-machined. One that outlives its leader is in the way of the next, and machined
 * stops the unit over it (tried with 252). */

/* Removes the entry called machine if it is one of ours and its leader has ended. running: the leader of the container
 * that asks, or 0. Returns 1 if it is that one's, 0 if there is none now, -EEXIST if it is another service's or another
 * container's. */
int machine_remove_stale(sd_bus *bus, const char *machine, pid_t running);
