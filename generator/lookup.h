/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/contract.h"
#include "common/manifests.h"
#include "generator/dropins.h"

/* Which manifests there are, and which unit names are taken. Hides directories and their precedence, links,
 * masks, and what else may bear a manifest's name. Opens nothing that could block or act when opened. */

#define LOOKUP_MANIFEST_PATH BERTH_MANIFEST_PATH

typedef enum SourceState {
        SOURCE_MANIFEST,
        SOURCE_MASKED,   /* a link to /dev/null */
        SOURCE_SHADOWED, /* one of the same name comes first */
} SourceState;

typedef struct Source { /* one file *.berth; owns its strings */
        char *name;     /* without the suffix; any bytes */
        char *path;     /* as messages show it */
        size_t directory;
        SourceState state;
        bool regular; /* a plain file when the directory was read */
} Source;

typedef struct Lookup {
        int root_fd;
        int *directories; /* those of manifests that could be opened */
        size_t n_directories;
        Source *list; /* in order of name, then of precedence */
        size_t n;
        char **units; /* names of foreign services, sockets and timers, in order; owned */
        size_t n_units;
        DropIns dropins;
} Lookup;

void lookup_done(Lookup *l);

/* Reads the directories of manifest_path and unit_path, both "DIR:DIR..." and absolute, below root. What cannot
 * be read but is there is logged and left out. 0; -EINVAL, logged, for a wrong path; -ENOMEM. */
int lookup_open(Lookup *l, const char *root, const char *manifest_path, const char *unit_path);

/* The manifest of that name that counts, or NULL. A masked one counts. */
const Source *lookup_find(const Lookup *l, const char *name);

/* Has systemd a unit of that name that is neither ours nor a mask? Of an instance, the template counts too. */
bool lookup_foreign(const Lookup *l, const char *unit);

/* Reads a manifest, at most LINES_FILE_MAX bytes and one writable NUL behind them. Negative errno, with
 * *reterr set to static text that says what is wrong with the file. */
int lookup_read(const Lookup *l, const Source *source, char **ret, size_t *ret_size, const char **reterr);

/* The same for a drop-in, of dropins_find(). */
int lookup_read_dropin(const Lookup *l, const DropIn *dropin, char **ret, size_t *ret_size,
                       const char **reterr);

/* The same for a file outside of the directories. */
int lookup_read_path(const char *path, char **ret, size_t *ret_size, const char **reterr);
