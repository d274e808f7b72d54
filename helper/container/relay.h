/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <poll.h>

#include "common/base.h"
#include "helper/container/calm.h"

/* Copies between descriptors in a poll loop, where handing over the descriptor itself is not possible: terminals.
 * Never blocks for one direction while the other could go on. */

#define RELAY_STREAMS 3

typedef struct Stream {
        int from, to;
        bool own_from, own_to; /* close them at their end */
        bool input;            /* towards the command: over when it is over */
        bool eof;              /* from has ended */
        bool whole;            /* to takes what there is, or says that it does not */
        size_t start, end;     /* what of buffer is still to be written */
        char last;             /* byte written */
        char *buffer;
        Calm calm;
} Stream;

typedef struct Relay {
        size_t n;
        int master_fd; /* pty, or negative; closed by relay_done(): the container's processes get their hang-up */
        int slave_fd; /* kept open until relay_drain(), or a command that closes its terminal for a moment would
                        * look like the end of it */
        bool hung_up; /* our side of the terminal went away */
        int error;    /* of the first write that failed, but because nobody reads any more; negative, or 0 */
        Stream streams[RELAY_STREAMS];
} Relay;

#define RELAY_NONE                                      \
        (Relay) {                                       \
                .master_fd = -EBADF, .slave_fd = -EBADF \
        }

void relay_done(Relay *relay);
#define _cleanup_relay_ _cleanup_(relay_done)

/* Adds a stream. The ends that are ours are made non-blocking; the caller's own descriptors are left as they are,
 * as they are shared with others. */
int relay_add(Relay *relay, int from, int to, bool own_from, bool own_to, bool input);

/* Adds what to wait for to set (room for 2 * RELAY_STREAMS); returns how many. */
size_t relay_prepare(const Relay *relay, struct pollfd *set);

/* Moves what can be moved, after poll(). */
void relay_run(Relay *relay, const struct pollfd *set, size_t n);

/* After the command's end: what it has written is still read, until the end, until nothing comes for a moment (as a
 * background process may hold the other end for ever), or until stop_fd can be read. */
void relay_drain(Relay *relay, int stop_fd);
