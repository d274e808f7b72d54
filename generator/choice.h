/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/set.h"

/* What an argument FILE|NAME of a verb means: a FILE has a slash or the suffix .berth, anything else is a NAME. */

typedef struct Choice {
        const Source *source; /* NULL: a file, which may stand anywhere; borrowed */
        const char *path;     /* that file, or NULL; borrowed from the argument */
        char *name;           /* owned */
} Choice;

void choice_done(Choice *c);
#define _cleanup_choice_ _cleanup_(choice_done)

/* 0; -ENOENT, logged, if there is no such manifest; -ENOMEM. */
int choice_make(const Set *set, const char *argument, Choice *ret);

/* Does it get a service? As set_wanted(). */
int choice_wanted(const Set *set, const Choice *c, char **reterr);
