/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/exec/collect.h"
#include "helper/exec/guard.h"

/* The client's wait for the command that its guard has started: signals passed on, terminals copied. */

typedef struct Attend { /* borrows */
        const Spawn *spawn;
        Stdio *stdio;
        Guard *guard;
        Collect *collect; /* NULL: its output is none of ours */
        int signal_fd;

        GuardReport report; /* afterwards */
        Failure failure;    /* likewise */
} Attend;

/* Blocks the signals that are to be passed on and opens a descriptor that tells of them. */
int attend_open_signals(void);

/* Returns the exit status when the command has ended and, after a timeout or a hang-up, everything it started. */
int attend_run(Attend *attend);
