/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/manifest.h"
#include "generator/text.h"

/* The keys that systemd has a directive for: limits of [Limits] and Limit*=, devices, signals and times of the stop.
 * Knows what each becomes. */

/* A key whose value is that of a directive of [Service] already. */
typedef struct Directive {
        const char *section, *key, *name;
        bool beside; /* [Service] may give that directive too: what it says is added */
} Directive;

/* The one of that number, from 0, or NULL behind the last. */
const Directive *directive_at(size_t i);

/* Adds them all to [Service]. */
void directives_add(const Manifest *m, Text *text);

/* What ExecStart= adds to the statuses that count as success: "143 130", and those of KillSignal=. */
void directives_success(const Manifest *m, Text *text);

/* Has systemd look for the credentials of Secret= that [Service] does not define (LoadCredential=NAME). */
void directives_credentials(const Manifest *m, Text *text);
