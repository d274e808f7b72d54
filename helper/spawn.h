/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/confine.h"
#include "helper/descriptors.h"
#include "helper/enter.h"

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
} Spawn;

typedef struct Process {
        pid_t pid; /* also its process group's and session's */
        int pidfd;
        int error_fd; /* EOF: the command executes; else what went wrong */
} Process;

#define PROCESS_NONE                                \
        (Process) {                                 \
                .pidfd = -EBADF, .error_fd = -EBADF \
        }

void process_done(Process *process);
#define _cleanup_process_ _cleanup_(process_done)

/* clone(2) failed with EAGAIN: says why. Returns -EAGAIN. */
int spawn_log_full(const Enter *enter);

/* Starts it. Logs. */
int spawn_start(const Spawn *spawn, Process *ret);

/* Reads error_fd when it is ready. 0: the command executes; else the exit status for what it said, which is logged. */
int spawn_result(const Spawn *spawn, int error_fd);
