/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/calm.h"
#include "helper/container/user.h"
#include "helper/launch/notify-relay.h"

/* The built-in init, PID 1 of the container: reaps, forwards signals, copies the output of the command so that
 * /dev/stdout can be opened by any user, ends with the command's status. Allocates nothing once it runs. */

/* How many files it waits for at most. */
#define INIT_FILES 6

typedef struct InitStreams {
        int from[2]; /* our ends of the pipes that are the command's stdout and stderr; negative: not piped */
        int to[2];   /* the command's ends, until it is started */
        Calm calm[2];
} InitStreams;

/* Makes a pipe for each of stdout and stderr that is a socket or pipe itself (the journal's socket cannot be opened
 * again through /dev/stdout; somebody else's pipe not by another user) or a file (a log that the command could truncate
 * and, as root of the host, make a set-uid program), owned by user. */
int init_open_streams(const User *user, InitStreams *ret);

/* Blocks every signal; what arrives from here on waits for init_run(). */
int init_block_signals(void);

typedef struct Init {
        pid_t pid;       /* the command; 0: there is none, an idle leader */
        int stop_signal; /* what a SIGTERM is passed on as; 0: as it is */
        InitStreams streams;
        int watch_fd; /* from the launcher: "R" once it is done, systemd knows of the start and the init is on its own */
        NotifyRelay notify;
} Init;

/* Runs until the command has ended and the launcher is done, and returns the container's exit status: the command's own,
 * or 128 + its signal. If watch_fd closes without a word, the launcher was killed and the container ends too (125). */
int init_run(Init *init);
