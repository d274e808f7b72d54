/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/state.h"

/* What the cold verbs know of one container, running or not: its state, whether that is true, its control group. */

typedef enum Condition {
        CONDITION_RUNNING,
        CONDITION_FROZEN,
        CONDITION_STALE,  /* a state without its leader: killed, or the machine's start was not clean */
        CONDITION_ABSENT, /* no state at all */
        _CONDITION_MAX,
} Condition;

const char *condition_to_string(Condition condition);

typedef struct Item {
        State state;
        Condition condition;
} Item;

void item_done(Item *item);
#define _cleanup_item_ _cleanup_(item_done)

/* Looks at container name. 0 with any condition. -EBADMSG: it has a state that cannot be read, damaged or of another
 * version of Berth, and may well run. Another negative errno where nothing can be told (not root). */
int item_open(const char *name, Item *ret);

/* For whoever asks systemd too whether it runs: with a state that cannot be read it is absent. */
int item_open_doubtful(const char *name, Item *ret);

/* Logs why it could not be looked at. Returns r. */
int item_log_error(const char *name, int r);

static inline bool item_runs(const Item *item) {
        return item->condition == CONDITION_RUNNING || item->condition == CONDITION_FROZEN;
}

/* Opens the cgroup of the item's unit, the parent of payload. */
int item_open_unit_cgroup(const Item *item);

/* Adds "labels", an object of strings. 0 or -ENOMEM. */
struct json_object;
int item_add_labels(const Item *item, struct json_object *object);

/* "2026-11-23 00:49:02" in local time, or with utc "2026-11-23T00:49:02Z". */
void format_time(uint64_t usec, bool utc, char ret[static 32]);

/* "2d 3h", "5min 12s": the two greatest units of a time span, as systemd names them. */
void format_span(uint64_t usec, char ret[static 32]);
