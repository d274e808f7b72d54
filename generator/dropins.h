/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Drop-ins: *.conf in directories NAME.berth.d, and which of them apply to a manifest in what order. Hides the rules
 * of systemd.unit(5), which are those of its drop-ins: templates, truncated names, precedence by file name. */

typedef struct DropIn {    /* owns its path */
        char *path;        /* as messages show it; without control characters */
        const char *name;  /* the part of it behind the last slash */
        const char *error; /* why it, or its directory, cannot be read: static; NULL */
        bool masked;       /* a link to /dev/null */
} DropIn;

typedef struct DropInDirectory { /* owns all of it */
        char *path;              /* as messages show it */
        const char *name;        /* the part of it behind the last slash, "web.berth.d" */
        size_t order;            /* of the directory of manifests that it is in: 0 comes first */
        DropIn *list;            /* in order of name */
        size_t n;
        bool used; /* see dropins_mark() */
} DropInDirectory;

typedef struct DropIns {
        DropInDirectory *list; /* after dropins_sort(): in order of name, then of precedence */
        size_t n;
        size_t n_orders;
} DropIns;

void dropins_done(DropIns *d);

/* Reads directory name, which stands in the one of path and that precedence. Directories without *.conf are left
 * out; what cannot be read becomes a drop-in that is wrong, so that no manifest it may be meant for starts without.
 * 0 or -ENOMEM. */
int dropins_add(DropIns *d, int root_fd, const char *path, size_t order, const char *name);

/* Is that the name of a directory of drop-ins? */
bool dropins_name_fits(const char *name);

/* To be called when all are added. */
void dropins_sort(DropIns *d);

/* Sets *ret to a new vector of those that apply to a manifest, in the order in which they hold, borrowed. *ret_n is
 * 0, and *ret NULL, where there are none. 0 or -ENOMEM. */
int dropins_find(const DropIns *d, const char *manifest, const DropIn ***ret, size_t *ret_n);

/* Marks the directories that apply to a manifest as used. 0 or -ENOMEM. */
int dropins_mark(DropIns *d, const char *manifest);

/* Once all manifests were marked: does the directory apply to none? */
bool dropins_orphan(const DropInDirectory *d);
