/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "common/base.h"
#include "common/names.h"

/* berth run: a container that nobody has installed. Its manifest is made of the command line, its unit by the same
 * program that shows what a manifest becomes, and systemd runs it as any other; all of it is below /run, and goes when
 * the container goes. */

typedef struct Run {
        char name[NAME_LENGTH_MAX + 1];
        const char *manifest; /* as given; NULL: options alone. Borrowed, as the others */
        char *const *command; /* NULL: none was given */
        bool image;           /* --image= or --profile= */
        bool nameless;        /* name is one of ours that nobody will say again */
        bool detach, replace;
        bool json;
        char **settings; /* lines of the drop-in, with their sections */
        char **exec;     /* options for exec, which has the command to run */
} Run;

void run_done(Run *run);
#define _cleanup_run_ _cleanup_(run_done)

/* Reads the words. 0, 1 after --help, or -EINVAL, logged; json is read whatever else is wrong. */
int run_parse(char *argv[], Run *ret);

/* Logs again, to standard error, the errors that the journal has, from a time on, of a unit that did not start. */
void run_log_errors(const char *unit, uint64_t since_usec);

/* Says what the manager has said of unit, or what the errno is, which it returns. */
int run_log_manager(int r, const char *what, const char *unit, const char *error);

/* What stands for this process: a unit to bind to and to stop, which waits for the end of fd. */
typedef struct RunEnd {
        char unit[NAME_LENGTH_MAX + sizeof("berth-run--2147483647.service")]; /* "": there is none */
        int fd;
} RunEnd;
#define RUN_END_NONE \
        { .fd = -EBADF }

void run_end_done(RunEnd *end);

/* Before anything is made: from then on what this process has claimed and not released goes when it ends, however it ends.
 * Logs. */
int run_begin(const Run *run, sd_bus *bus, RunEnd *ret);

/* Claims the name, and writes manifest and drop-in, and the unit that they become. bind: the unit that it is bound to, or
 * NULL. Logs. */
int run_write(const Run *run, const char *bind);
