/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/filter.h"
#include "helper/launch/notify-relay.h"
#include "helper/launch/plan.h"
#include "helper/launch/root.h"
#include "helper/launch/sockets.h"

/* The container's first process, from clone to exec. It tells the launcher over one pipe who it has become, and
 * whether it got there. */

/* First on the report pipe: the ids found in the container's own files, followed by n_groups of gid_t. */
typedef struct LeaderReport {
        uid_t uid;
        gid_t gid;
        size_t n_groups;
} LeaderReport;

#define LEADER_FIRST \
        3 /* descriptors that come with the word 'G': of /etc, the layer's, and the layer's lock */
#define LEADER_SECOND 4 /* with 'D': of /dev, /run, /tmp, /dev/shm */

typedef struct Leader { /* borrows */
        const Plan *plan;
        Root root;
        const char *user, *group; /* NULL: root; the user's */
        const char *directory;
        int stop_signal; /* what the command gets for a SIGTERM to the init; 0: that */
        char **command;  /* whole, NULL-terminated; empty: idle */
        char **env;      /* its own copy after the clone */
        uint64_t capabilities;
        Filter filter;
        int host_proc_fd;                /* as long as it takes to name an AppArmor profile, or negative */
        NotifyRelay notify;              /* of the init */
        uint64_t watchdog_usec;          /* how often systemd expects a sign of life; 0: never */
        Sockets sockets;                 /* that the command gets */
        bool own_users;                  /* has a user namespace */
        bool own_network;                /* has a network namespace */
        mode_t umask;                    /* of the command */
        char **argv;                     /* our own, which the init blanks */
        uint64_t soft_files, hard_files; /* RLIMIT_NOFILE of the command */
        int lock_fd; /* of the layer, which nobody exchanges while we are at work; or negative */
        int go_fd; /* from the launcher: 'G' start, 'D' /dev is made, 'M' the mounts are mapped, 'R' ready; closed: it died */
        int report_fd; /* to the launcher; closed by the exec that succeeds, else a byte with the exit status */
} Leader;

/* Runs in the new namespaces; returns only what to exit with. Failures are logged. */
int leader_run(Leader *leader);
