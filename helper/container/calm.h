/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What a container writes may reach the journal, which takes a line that begins with "<0>" (sd-daemon(3)) for an emergency:
 * it is written to the terminals of all who are logged in, control characters and all (ForwardToWall= of journald.conf(5),
 * tried). So that it is none, it becomes an alert, "<1>". */
typedef struct Calm {
        bool on;
        enum { CALM_START, CALM_OPEN, CALM_ZERO, CALM_TEXT } state;
        unsigned zeros;
        size_t column; /* of its line */
} Calm;

/* For what is written to fd: on if that leads to a journal. */
Calm calm_begin(int fd);

/* Changes what is to be written next, in place. */
void calm_apply(Calm *calm, char *data, size_t size);
