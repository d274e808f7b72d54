/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "common/base.h"

/* What the cold verbs ask systemd and systemd-machined. Where there is no bus, or nobody behind it, they get on
 * without: -ENOTCONN. */

/* Opens the system bus; NULL without one. Does not log: it is no failure. */
sd_bus *bus_open(void);

/* A command of a unit, but its main one, that did not end with exit status 0 when it last ran, whether or not systemd
 * was told to care. */
typedef struct FailedCommand {
        const char *directive; /* static: "ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost" */
        char **words;
        int exit_code, exit_status; /* as in UnitStatus */
        uint64_t ended_usec;
} FailedCommand;

/* What the manager says of a unit; strings are NULL where it does not know. */
typedef struct UnitStatus {
        char *load, *active, *sub, *result,
                        *source; /* LoadState, ActiveState, SubState, Result, SourcePath */
        char **command;          /* the words of ExecStart= */
        bool out_of_time;        /* it was ended by RuntimeMaxSec=, or a job by its TimeoutStartSec= */
        int exit_code; /* of what was its main process: CLD_EXITED, CLD_KILLED...; 0: there was none */
        int exit_status;
        uint64_t ended_usec;   /* when it came to its end, or 0 */
        FailedCommand *failed; /* in the order of the directives above, and of the unit */
        size_t n_failed;
} UnitStatus;

void unit_status_done(UnitStatus *status);
#define _cleanup_unit_status_ _cleanup_(unit_status_done)

int bus_get_unit(sd_bus *bus, const char *unit, UnitStatus *ret);

/* The loaded units whose names match one of the patterns. */
int bus_list_units(sd_bus *bus, char *const *patterns, char ***ret);

/* Appends to *listens what a socket unit listens on, as systemd writes it: "[::]:80", "/run/x". */
int bus_add_listens(sd_bus *bus, const char *unit, char ***listens);

/* The slice that a service is in. */
int bus_get_unit_slice(sd_bus *bus, const char *unit, char **ret);

/* Is the unit under way or running? false where nobody knows. */
bool unit_status_busy(const UnitStatus *status);

/* Does the unit run a container of ours, or would it? */
bool unit_status_is_ours(const UnitStatus *status);

/* A machine of systemd-machined. -ENOENT: none of that name. */
typedef struct Machine {
        char *service;
        pid_t leader;
} Machine;

void machine_done(Machine *machine);
#define _cleanup_machine_ _cleanup_(machine_done)

int bus_get_machine(sd_bus *bus, const char *machine, Machine *ret);
int bus_register_machine(sd_bus *bus, const char *machine, pid_t leader);
int bus_unregister_machine(sd_bus *bus, const char *machine);

/* Has the manager do something to a unit: StopUnit, TryRestartUnit. Not where another job is under way, and without
 * waiting for its end. */
int bus_call_unit(sd_bus *bus, const char *method, const char *unit);

/* Calls what makes a job, and waits for that one's end. -ECANCELED: it has failed; -EEXIST, -ENOENT: there is such a unit, or
 * none. *error, if it is not NULL, gets what the manager said, owned. */
int bus_call_job(sd_bus *bus, sd_bus_message *call, char **ret_error);

/* Stops a unit, whatever else is to be done to it; with wait returns when it has. -ECANCELED: it has failed. */
int bus_stop_unit(sd_bus *bus, const char *unit, bool wait);

/* Thaws a unit that systemd has frozen, and waits until that is done. */
int bus_thaw_unit(sd_bus *bus, const char *unit);

/* Makes a unit of that name, or leaves one that is there: it executes "berth thaw NAME" before unit is stopped, or, where
 * that is still starting (a job is all the time), when it is; and ends with it. -EBUSY: unit is just stopping. -ECANCELED: it
 * has failed. */
int bus_thaw_at_stop(sd_bus *bus, const char *unit, const char *name, const char *thaw_unit);

/* systemd's version, as it writes it, a string of the caller's. */
int bus_get_version(sd_bus *bus, char **ret);

/* Has somebody the name, or would be started for it? 1, 0 or negative errno. */
int bus_has_name(sd_bus *bus, const char *name);

/* The names of all machines. */
int bus_list_machines(sd_bus *bus, char ***ret);
