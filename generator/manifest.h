/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/diag.h"
#include "generator/mounts.h"
#include "generator/store.h"

/* One manifest: bytes to values that were looked at, and everything that is wrong with them. Hides the walk
 * over lines and the rules of each section; knows no unit. */

typedef struct Manifest { /* owns all of it */
        char *name;       /* NAME, NAME@ or NAME@INSTANCE; valid */
        char *path;       /* as messages and SourcePath= show it */
        Store *store;     /* canonical values; directives to pass on are "KEY=VALUE" of the key "*" */
        Mounts mounts;
        Diags diags;
} Manifest;

void manifest_done(Manifest *m);
#define _cleanup_manifest_ _cleanup_(manifest_done)

/* Makes an empty one: what a manifest is that cannot be read. 0 or -ENOMEM. */
int manifest_init(Manifest *m, const char *name, const char *path);

/* A file of a manifest: itself, or one of its drop-ins. Borrows. */
typedef struct Fragment {
        const char *path; /* of a drop-in, as messages show it */
        char *data;       /* size bytes and one behind them, all writable; NULL if the file cannot be read */
        size_t size;
        const char *error; /* why it cannot */
} Fragment;

#define MANIFEST_DROPINS_MAX (PLACE_FILES_MAX - 1)

/* Reads the manifest, which comes first, and its drop-ins in their order into m, which was made by manifest_init().
 * A later file appends to lists and replaces what stands once. What is wrong is in m->diags. 0 or -ENOMEM. */
int manifest_parse(Manifest *m, const Fragment *fragments, size_t n);

/* The last directive of that name in [Unit], [Service] or [Install]: 0 and *ret with its value, or -ENOENT. */
int manifest_directive(const Manifest *m, const char *section, const char *directive, StoreValue *ret);

/* Has it a [Socket]? */
bool manifest_sockets(const Manifest *m);

/* Is the service a job, Type=oneshot? */
bool manifest_oneshot(const Manifest *m);
