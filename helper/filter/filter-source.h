/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/filter/filter-calls.h"

/* The two languages in which a filter can be asked for. Both log what is wrong. */

/* SystemCallFilter=: a value a line, as systemd.exec(5) has them. The first value says whether its calls are all that
 * is allowed or all that is refused; later ones add and take away. text is written to. */
int filter_from_words(char *text, Build *build);

typedef struct FilterHost {
        const char *release;   /* uname(2) */
        uint64_t capabilities; /* of the container */
} FilterHost;

/* SeccompProfile=: JSON as linux.seccomp of the OCI runtime specification, and with what container engines add to it
 * (archMap; includes and excludes of a rule). path is for messages. */
int filter_from_profile(const char *path, const char *text, size_t size, const FilterHost *host,
                        Build *build);

/* "EPERM", or a number up to 4095, the kernel's highest. -EINVAL for anything else. */
int filter_parse_errno(const char *s, int *ret);
