/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "common/base.h"

/* A job as the manager and the journal know it: its unit is all that there is of it. Nothing but job_print_logs()
 * logs. */

typedef struct Job {
        bool running;
        int status;                        /* how it ended, as berth exec says it */
        uint64_t started_usec, ended_usec; /* CLOCK_REALTIME; 0: never */
        char *command;
} Job;

void job_done(Job *job);
#define _cleanup_job_ _cleanup_(job_done)

/* "web-00c0ffee" of the name of its unit, owned; NULL: that is no job's. container: of that one alone, or NULL. */
char *job_name(const char *unit, const char *container);

/* The unit of a job. -EINVAL: none can be called so. */
int job_unit(const char *name, char **ret);

/* -ENOENT: there is no such job. */
int job_get(sd_bus *bus, const char *unit, Job *ret);

/* The names of the units of all jobs. */
int job_list_units(sd_bus *bus, char ***ret);

/* Asks a running one to end, and waits until it has. */
int job_stop(sd_bus *bus, const char *unit);

/* Has the manager forget one that has ended, and waits until it has. */
int job_forget(sd_bus *bus, const char *unit);

/* Forgets all that have ended and whose containers do not run any more; appends their names. */
void jobs_clean(sd_bus *bus, char ***ret_names);

/* What it has written, from the journal: standard output to ours, standard error to ours, then on standard error the
 * cursor behind the last entry; or all of it as lines of JSON. since: such a cursor, or NULL. Returns the exit status. */
int job_print_logs(const char *unit, const char *since, bool json);
