/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/exec/figures.h"
#include "helper/exec/scope.h"
#include "helper/exec/spawn.h"

/* The command's parent: a small process outside of the container and of the client's own control group. It starts the
 * command, keeps its time, and ends everything that it has started when the time is over or when the client is gone,
 * be it by kill -9. A client that is stopped holds up neither the clock nor, by a child that nobody reaps, the end of
 * the container (pid_namespaces(7): its init waits for all of them). */

typedef struct Guard {
        pid_t pid;
        int order_fd;  /* our end of the pipe; its end is an order as well */
        int report_fd; /* tells how it all ended */
        int error_fd;  /* EOF: the command executes; else spawn_result() says what went wrong */
} Guard;

#define GUARD_NONE                                                          \
        (Guard) {                                                           \
                .order_fd = -EBADF, .report_fd = -EBADF, .error_fd = -EBADF \
        }

void guard_done(Guard *guard);
#define _cleanup_guard_ _cleanup_(guard_done)

typedef enum GuardOrder {
        GUARD_GO = 'g',        /* the first: there is a cgroup for the command, which starts */
        GUARD_PASS_ON = 'p',   /* the signal, to the command's process group */
        GUARD_INTERRUPT = 'i', /* the same; whatever lives two seconds later is ended as with hang-up */
        GUARD_HANG_UP = 'h',   /* the same; then TERM to all, two seconds later KILL */
} GuardOrder;

typedef struct GuardReport {
        bool started;    /* false: the command never was; it is logged why */
        bool timed_out;  /* ended by the clock */
        bool left;       /* something lives that even KILL has not ended */
        int status;      /* the command's exit status, 128 and the signal's number where one has killed it */
        int signal;      /* that signal, or 0 */
        int error;       /* an errno, where it was not started */
        Figures figures; /* where they were asked for */
} GuardReport;

typedef struct GuardTask {
        uint64_t timeout_usec; /* 0: none */
        bool count;            /* figures */
        const Scope *scope;    /* that the command is in, or NULL */
} GuardTask;

/* Starts the guard in a cgroup of its own beside the exec's. It joins the container, while the command's cgroup is made, and
 * starts the command when it hears GUARD_GO. */
int guard_start(const Spawn *spawn, const GuardTask *task, Guard *ret);

/* Instead of that word; what is frozen hears none. */
void guard_kill(const Guard *guard);

/* Failures are no failures: a dead guard is noticed by its report. */
void guard_order(const Guard *guard, GuardOrder order, int signal);

/* Reads report_fd when it is ready. -ECHILD: the guard was killed. */
int guard_read_report(const Guard *guard, GuardReport *ret);
