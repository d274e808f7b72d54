/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/manifest.h"
#include "generator/text.h"
#include "generator/world.h"

/* The units that a manifest has beside its service: socket, timer, health check, proxies, DNS. Knows what each looks like and how
 * the service is tied to it. */

typedef struct FurtherUnit { /* owns both */
        char *path;          /* relative to the unit directory: "web.socket" */
        char *text;
        size_t size;
} FurtherUnit;

typedef struct Further {
        FurtherUnit *list;
        size_t n;
        bool socket, timer, health, dns; /* which the service needs */
        char **proxies; /* names, without suffix, of socket and service of each published port, as others name them; owned */
} Further;

void further_done(Further *f);

/* Ends a unit and adds it. path is of own memory, or NULL for lack of it. 0 or -ENOMEM. */
int further_add(Further *f, char *path, Text *text);

/* Builds them. What is wrong goes to m->diags. 0 or -ENOMEM. */
int further_build(Manifest *m, const World *world, Further *ret);

/* Adds what the service of m needs of them: to its [Unit], and to its [Service]. */
void further_dependencies(const Further *f, const Manifest *m, Text *text);
void further_service(const Further *f, const Manifest *m, Text *text);
