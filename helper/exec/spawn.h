/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/confine.h"
#include "helper/container/descriptors.h"
#include "helper/container/enter.h"

/* The process of a command in a running container, from its clone to its exec: full rights and no code of the
 * container on one side, the other way round on the other. */

typedef struct Spawn {      /* borrows */
        const Enter *enter; /* joined */
        const Stdio *stdio;
        const Confinement *confinement;
        const char *directory;
        bool directory_optional; /* "/" where it is not there */
        const char *file;        /* NULL: argv[0], looked up in PATH */
        char *const *argv;
        char *const *env;
        char **own_argv; /* of this program: nothing here is a part of it */
        int extra_fd;    /* becomes SPAWN_EXTRA_FD of the command; above that number, or 0 for none */
} Spawn;

#define SPAWN_EXTRA_FD 9

typedef struct Process {
        pid_t pid; /* also its process group's and session's */
        int pidfd;
} Process;

#define PROCESS_NONE            \
        (Process) {             \
                .pidfd = -EBADF \
        }

void process_done(Process *process);
#define _cleanup_process_ _cleanup_(process_done)

/* clone(2) has failed: says why. Returns error. */
int spawn_log_failure(const Enter *enter, int error);

/* What it inherits, taken over by who is about to start it and has time until then: no signal that the client ignores, and, if
 * joined, its bounding set, with which the caller could only execute. */
int spawn_prepare(const Spawn *spawn);

/* Starts it, after spawn_prepare(); error_fd is the write end of a pipe that closes when the command executes. Logs. */
int spawn_start(const Spawn *spawn, int error_fd, Process *ret);

typedef struct Failure {   /* of ours, not of the command */
        const char *stage; /* a word for what we were at; NULL: nothing failed */
        int error;         /* an errno, or 0 */
} Failure;

/* Reads the other end of that pipe when it is ready. 0: the command executes; else the exit status for what it said, which is logged and stands in *ret. */
int spawn_result(const Spawn *spawn, int error_fd, Failure *ret);
