/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/manifest.h"

/* Ports that are published on loopback addresses of the host: each is a socket unit and a proxy in the container's
 * network (docs/decisions/0007). Which there are, for those who write units and command lines of them. */

#define PROXIES_MAX 256 /* units of one manifest; more is a range by mistake */

typedef struct Proxy {
        uint16_t host, container;
        char *listen; /* "127.0.0.1:80 [::1]:80", one blank between; owned */
        unsigned line, column;
} Proxy;

typedef struct Proxies { /* in order of host */
        Proxy *list;
        size_t n;
} Proxies;

void proxies_done(Proxies *p);

/* Is that word of Publish= published by a proxy? Not if it has a specifier: launch tells what it then is. */
bool proxies_has(const char *word);

/* Collects them; what is wrong goes to m->diags. 0 or -ENOMEM. */
int proxies_collect(Manifest *m, Proxies *ret);
