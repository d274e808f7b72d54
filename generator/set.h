/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/lookup.h"
#include "generator/translate.h"

/* All manifests of a system together: which of them get a service, and each one's way from file to service.
 * What the generator and "berth check" share, so that they cannot disagree. */

typedef struct Set Set;

/* Where to look. Borrowed. */
typedef struct SetOptions {
        const char *root, *manifest_path, *unit_path;
} SetOptions;

Set *set_free(Set *s);
DEFINE_CLEANUP(Set, set_free)
#define _cleanup_set_ _cleanup_(set_freep)

/* Takes --root=, --manifest-path= or --unit-path= up: 1 if arg is one of them, 0 if not. */
int set_option(SetOptions *o, const char *arg);

/* 0, or negative errno, logged. */
int set_open(const SetOptions *o, Set **ret);

/* The manifests, shadowed and masked ones included, in order of name and then of precedence. */
const Lookup *set_lookup(const Set *s);

/* Does that manifest get a service? If not for the sake of its name, *reterr is an own sentence on it, else
 * NULL (masked, shadowed). 1, 0 or -ENOMEM. */
int set_wanted(const Set *s, const Source *source, char **reterr);

/* Is it the mask of one instance of a template that makes services? Then the unit, which would exist without the file,
 * has to be masked as well. */
bool set_masks_instance(const Set *s, const Source *source);

/* Does a name, as a manifest of that name would have it? The same. */
int set_name_wanted(const Set *s, const char *name, char **reterr);

/* Calls tell for the path of each directory of drop-ins that applies to no manifest. 0 or -ENOMEM. */
int set_each_orphan(Set *s, void (*tell)(void *data, const char *path), void *data);

/* Makes the service of a manifest whose name is wanted. It is made in any case; m->diags has what is wrong.
 * path is what to read in the place of the source, which may be NULL then. 0 or -ENOMEM. */
int set_compile(Set *s, const Source *source, const char *name, const char *path, Manifest *m, Service *ret);

/* Does what was compiled last change what is made of others, by an alias that it took? Then order matters. */
bool set_remembers(const Set *s);
