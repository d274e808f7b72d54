/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/further.h"
#include "generator/install.h"
#include "generator/manifest.h"
#include "generator/world.h"

/* A manifest to its unit and links: pure, the heart. Knows what a container's service looks like (DESIGN 3). */

typedef struct Service { /* owns all of it */
        char *unit;      /* "web.service" */
        char *text;
        size_t size;
        Links links;
        Further further;
} Service;

void service_done(Service *s);

/* Builds the service of m. Errors it finds join m->diags, which comes back sorted; if there is any error, the
 * service is the same but for an ExecStart= that tells them all and fails. 0 or -ENOMEM. */
int translate(Manifest *m, const World *world, Service *ret);
