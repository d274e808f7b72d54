/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/inventory.h"

/* What the verbs that look at containers begin with: the words behind the verb, and the container that they name. */

#define CALL_OPTIONS_MAX 16

/* The words behind a verb that has no verbs of its own. Owns its vectors. */
typedef struct Call {
        char **operands;
        char **values[CALL_OPTIONS_MAX]; /* by the option's index; NULL: not given */
} Call;

void call_done(Call *call);
#define _cleanup_call_ _cleanup_(call_done)

/* Reads argv by the table of verb, which has so many operands. -1: go on; else what to exit with, after --help or
 * after what is wrong has been said. */
int call_read(const char *verb, char *argv[], size_t least, size_t most, Call *ret);

/* Was the option given? Its value, the last one; NULL: not given. */
bool call_has(const Call *call, unsigned option);
const char *call_value(const Call *call, unsigned option);

/* A container that runs, held so that no pid can lead to another process. */
typedef struct Running {
        Item item;
        int leader_fd; /* pidfd */
        int proc_fd;   /* its directory in /proc: reading there fails once it has ended */
        int unit_fd;   /* the control group of the unit, which holds payload and exec-* */
        char *unit;    /* its path, as in /proc/PID/cgroup */
        size_t level; /* of its pid namespace: how many numbers NSpid of /proc/PID/status has before its own */
} Running;

#define RUNNING_NONE                                                      \
        (Running) {                                                       \
                .leader_fd = -EBADF, .proc_fd = -EBADF, .unit_fd = -EBADF \
        }
void running_done(Running *running);
#define _cleanup_running_ _cleanup_(running_done)

/* Opens container name. -1: go on; else the exit status, logged: no such container, it does not run, not root. */
int running_open(const char *name, Running *ret);

/* Calls function for each process in its unit and in the scopes beside that, as process_for_each() does. */
int running_for_each(const Running *running, int (*function)(int proc_fd, pid_t pid, void *userdata),
                     void *userdata);

/* Says why there is no running container of that name, and returns what to exit with: is it stopped, or is there
 * none? */
int call_not_running(const char *name);
