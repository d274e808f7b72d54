/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/enter.h"
#include "helper/container/scopes.h"
#include "helper/exec/figures.h"

/* A scope of systemd for one command. A process of ours is in it from the first moment, without rights of the container
 * and unknown to it: it keeps the scope until what it used has been read, and ends all that is in it should both guard
 * and client be killed. */

typedef struct Scope {
        char unit[SCOPE_UNIT_SIZE];
        int hold_fd; /* the pipe that the keeper reads, for scope_release(); its end without that: both are gone */
        int group_fd; /* its control group */
} Scope;

#define SCOPE_NONE                                    \
        (Scope) {                                     \
                .hold_fd = -EBADF, .group_fd = -EBADF \
        }

void scope_done(Scope *scope);

typedef struct ScopePlan { /* borrows */
        const Enter *enter;
        char *const *properties; /* "NAME=VALUE", or NULL */
        char *const *command;
        int signal_fd; /* a signal to end by ends the wait for systemd */
} ScopePlan;

/* Has systemd start it, with the container's walls and the properties. Nothing runs in it yet. Logs. */
int scope_start(const ScopePlan *plan, Scope *ret);

/* The guard's last act: what is still in the scope was left there by the command, and stays. */
void scope_release(int hold_fd);

/* Says it if the command was killed because it ran out of memory. */
void scope_tell(const Figures *figures, const char *container);
