/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/further.h"
#include "generator/world.h"

/* [Install] of a manifest to links. systemctl does not enable generated units, so what it would do is done here:
 * names, relative targets, specifiers, templates. */

typedef struct Link { /* owns both */
        char *path; /* relative to the unit directory: "multi-user.target.wants/web.service", "www.service" */
        char *target; /* "../web.service" */
} Link;

typedef struct Links {
        Link *list;
        size_t n;
} Links;

void links_done(Links *l);

/* unit is the name of the manifest's service; of the further units, socket and timer have links in its place where
 * they are what sockets.target and timers.target want. What is wrong goes to m->diags. 0 or -ENOMEM. */
int install_build(Manifest *m, const World *world, const char *unit, const Further *further, Links *ret);
