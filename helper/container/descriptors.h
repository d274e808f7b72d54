/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/pty.h"
#include "helper/container/relay.h"

/* What becomes descriptors 0, 1 and 2 of a command in a container, and that nothing of it is a way out: no terminal
 * of ours (it could read our keys and, on some kernels, type for us: CVE-2017-5226), no directory (CVE-2024-21626).
 * Pipes are handed over as they are, and files that are only read as well, unless their owner is one of the container's
 * users: who has it in hand could change its mode, or open it anew for writing. Then its content goes through a pipe, and
 * so does what is written to a file: there may be more in it than the command's. */

typedef enum TtyMode {
        TTY_AUTO, /* exactly when stdin and stdout are terminals */
        TTY_YES,
        TTY_NO,
} TtyMode;

typedef struct Stdio {
        bool tty;
        int inside[3]; /* for the command; owned where not 0, 1, 2 themselves */
        Relay relay;
        Terminal terminal;
        bool follow_size; /* pass on changes of our terminal's size */
        int input_fd;     /* to be copied in, in the place of our standard input; or negative */
        int output[2]; /* read ends of its standard output and error, where they are to be ours; or negative */
} Stdio;

#define STDIO_NONE                                                                        \
        (Stdio) {                                                                         \
                .inside = { 0, 1, 2 }, .relay = RELAY_NONE, .terminal = { .fd = -EBADF }, \
                .input_fd = -EBADF, .output = {                                           \
                        -EBADF,                                                           \
                        -EBADF                                                            \
                }                                                                         \
        }

/* What a command's descriptors are made of. */
typedef struct StdioPlan {
        bool tty;
        const struct winsize *size; /* NULL: our terminal's */
        const char *input; /* NULL or "-": our standard input; else a file's content, never the file itself */
        bool collect;      /* standard output and error by pipes, whose other ends are output */
        uint32_t uid_base,
                        uid_count; /* the container's ids as the host counts; a count of 0: they are the host's */
} StdioPlan;

void stdio_done(Stdio *stdio);
#define _cleanup_stdio_ _cleanup_(stdio_done)

/* Opens /dev/null for those of 0, 1, 2 that are closed, so that no descriptor of ours lands there. To be called
 * before anything is opened. */
int stdio_fill(void);

bool stdio_wants_tty(TtyMode mode);

/* Prepares everything; owner is the command's user as the host counts. Logs. */
int stdio_open(Stdio *stdio, const StdioPlan *plan, int root_fd, uid_t owner, gid_t group);

/* Closes what only the command needs, once it has it. */
void stdio_close_inside(Stdio *stdio);

/* Gives the inner terminal our terminal's present size. */
void stdio_resize(const Stdio *stdio);
