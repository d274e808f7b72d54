/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/guard.h"
#include "helper/spawn.h"

/* The client's wait for the command that it has started: signals passed on, terminals copied, the guard told how it
 * ended. */

typedef struct Attend { /* borrows */
        const Spawn *spawn;
        Stdio *stdio;
        Process *process;
        Guard *guard;
        int signal_fd;
        bool timed; /* the guard has a clock: ask it how it ended */
} Attend;

/* Blocks the signals that are to be passed on and opens a descriptor that tells of them. */
int attend_open_signals(void);

/* Returns the exit status when the command has ended and, after a timeout or a hang-up, everything it started. */
int attend_run(Attend *attend);
