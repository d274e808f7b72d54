/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <poll.h>

#include "common/base.h"
#include "helper/exec/capture.h"

/* The other end of a command's standard output and error, each by a pipe of its own: kept for a result, and on demand
 * told at once, a line of JSON for each piece. Nothing is read while such a line still waits for its reader. */

#define COLLECT_STREAMS 2
#define COLLECT_POLL    (COLLECT_STREAMS + 1)

typedef struct CollectStream {
        int fd;
        Capture capture;
        char rest[4]; /* the beginning of a character that is not whole yet */
        size_t n_rest;
} CollectStream;

typedef struct Collect {
        bool tell;                              /* lines of JSON, to standard output */
        bool lost;                              /* whoever was to read our standard output is gone */
        CollectStream streams[COLLECT_STREAMS]; /* standard output, standard error */
        char *line;                             /* room for one */
        size_t start, end;                      /* what of it still has to be written */
} Collect;

#define COLLECT_NONE                                              \
        (Collect) {                                               \
                .streams = { { .fd = -EBADF }, { .fd = -EBADF } } \
        }

void collect_done(Collect *collect);
#define _cleanup_collect_ _cleanup_(collect_done)

/* Takes the read ends over. At most max bytes of each stream are kept. */
int collect_init(Collect *collect, size_t max, bool tell, int fds[static COLLECT_STREAMS]);

/* Adds what to wait for to set (room for COLLECT_POLL); returns how many. */
size_t collect_prepare(const Collect *collect, struct pollfd *set);

/* Moves what can be moved, after poll(). */
void collect_run(Collect *collect, const struct pollfd *set, size_t n);

/* After the command's end: takes what it has written, which is all in the pipes, and not what somebody whom it left
 * behind may still write. Stops where stop_fd can be read, or our reader is gone. */
void collect_drain(Collect *collect, int stop_fd);
