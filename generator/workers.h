/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Work that consists of many independent items, done by a few processes. Hides how many there are and how items are
 * dealt out. Nothing comes back but which items were done: all else is the caller's to do, so that a worker that
 * fails, dies or was never made costs time and no result. */

/* Called once in each worker, then for each of its items. What they change in memory is lost. */
typedef struct WorkersJob {
        void *data;
        bool (*begin)(void *data);
        bool (*item)(void *data, size_t i); /* was it done? */
} WorkersJob;

typedef struct Workers {
        bool *done; /* of each item; NULL: none was */
        size_t n;
} Workers;

void workers_done(Workers *w);
#define _cleanup_workers_ _cleanup_(workers_done)

/* Runs a job of n items; few items, or one CPU, are not worth a worker. 0; -ECHILD, logged, if a worker died: *ret
 * tells all the same what was done. */
int workers_run(const WorkersJob *job, size_t n, Workers *ret);
