/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Which host ids a container's ids are, with PrivateUsers=pick: a range of 65536 chosen by name, so that it is the
 * same at every start, and reserved while it is in use. */

#define RANGE_SIZE 65536

/* Picks and reserves the range of container name. It lies in the ids that systemd sets aside for containers
 * (524288..1878982655, UIDS-GIDS.md), overlaps no range of /etc/subuid and /etc/subgid, no process of machined's
 * machines, and no ids of another container, picked or given. Logs. */
int range_pick(const char *name, uint32_t *ret_base);

/* Writes down that container name has count ids from base on, which its manifest gives it, so that nobody picks them. An
 * error if somebody has: who was given ids may share them with another who was, never with one who knows nothing of it.
 * Logs. */
int range_give(const char *name, uint32_t base, uint32_t count);

/* Gives either back; nothing to do if there is none. Where base is known the others need not be looked at; 0: it
 * is not. */
int range_release(const char *name, uint32_t base);
