/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

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

/* Writes manifest and drop-in, and the unit that they become. client: the unit that it is bound to, or NULL. Logs. */
int run_write(const Run *run, const char *client);
