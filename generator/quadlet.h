/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/names.h"
#include "generator/findings.h"

/* Files of podman's Quadlet (podman-systemd.unit(5)) as data: what kind each is, its settings with the place of
 * each, drop-ins merged, and how podman would look a key up. Knows no key of ours. Pure. */

typedef enum QuadletKind {
        QUADLET_CONTAINER,
        QUADLET_POD,
        QUADLET_VOLUME,
        QUADLET_NETWORK,
        QUADLET_KUBE,
        QUADLET_IMAGE,
        QUADLET_BUILD,
        QUADLET_ARTIFACT,
        _QUADLET_MAX,
        _QUADLET_INVALID = -EINVAL,
} QuadletKind;

/* From a file's name or a reference to one, "web.container"; _QUADLET_INVALID if it is none. */
QuadletKind quadlet_kind_from_name(const char *name);

/* ".container" */
const char *quadlet_kind_to_suffix(QuadletKind kind);

typedef struct QuadletSetting { /* borrows from the unit that it is of */
        const char *section, *key, *value;
        const char *path;
        unsigned line;
} QuadletSetting;

typedef struct Quadlet { /* owns all of it */
        char *path;      /* as messages show it */
        char *file;      /* its last component, "web.container" */
        char *stem;      /* "web" */
        char *directory; /* absolute: what relative paths in it are relative to */
        QuadletKind kind;
        bool given; /* to be converted; others are only referred to */
        QuadletSetting *list;
        size_t n;
        char **texts;                   /* what the settings borrow from */
        char name[NAME_LENGTH_MAX + 1]; /* the container's name with us; set by quadlets_name() */
        Findings findings;              /* of reading it */
} Quadlet;

typedef struct Quadlets { /* owns all of them */
        Quadlet **list;
        size_t n;
} Quadlets;

void quadlets_done(Quadlets *all);
#define _cleanup_quadlets_ _cleanup_(quadlets_done)

/* Adds an empty unit, and returns it in *ret, borrowed. path ends in a suffix of a kind. 0 or -ENOMEM. */
int quadlets_add(Quadlets *all, const char *path, const char *directory, bool given, Quadlet **ret);

/* Reads data, size bytes and one behind them, all writable, which is taken, as a part of the unit: the file itself or
 * a drop-in. What is wrong goes to its findings. 0 or -ENOMEM. */
int quadlet_read(Quadlet *q, const char *path, char *data, size_t size);

/* Gives every container its name: of ServiceName= or of the file, made valid. Call once when all are read. */
void quadlets_name(Quadlets *all);

/* The unit of that file name ("db.container"; of an instance, also its template), or NULL. */
const Quadlet *quadlets_find(const Quadlets *all, const char *file);

/* The last setting of a key, if its value is not empty, or NULL. */
const QuadletSetting *quadlet_last(const Quadlet *q, const char *section, const char *key);

/* Does the setting count: for a list, no empty one of its key comes behind it; else none at all does? */
bool quadlet_effective(const Quadlet *q, const QuadletSetting *s, bool list);

/* The value without the pair of quotes around all of it, as podman takes strings. 0 or -ENOMEM. */
int quadlet_string(const QuadletSetting *s, char **ret);

/* 1, 0, or -EINVAL, which podman takes for no. */
int quadlet_bool(const QuadletSetting *s);

/* Is the container in that pod? */
bool quadlet_in_pod(const Quadlet *q, const Quadlet *pod);

/* The container that stands for a pod: the first of its members by name, templates last. NULL: it has none. */
const Quadlet *quadlets_pod_first(const Quadlets *all, const Quadlet *pod);
