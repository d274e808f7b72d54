/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/diag.h"
#include "generator/mount.h"
#include "generator/store.h"

/* All mounts of one manifest: which keys a [Mount NAME] must, may and may not have, and what must hold between
 * one mount and the next. */

typedef struct Mounts {
        Mount *list;
        size_t n;
} Mounts;

void mounts_done(Mounts *m);

/* Builds all mounts of a manifest, in order of line. sections has the names of the [Mount NAME], the number of
 * each being that of its store section "Mount N"; lines has the line of each. What is wrong goes to diags and is
 * left out. 0 or -ENOMEM. */
int mounts_build(const Store *store, char *const *sections, const unsigned *lines, Mounts *ret,
                 Diags *diags);
