/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/image.h"
#include "helper/container/state.h"
#include "helper/launch/leader.h"
#include "helper/launch/machine-id.h"
#include "helper/launch/plan.h"
#include "helper/launch/profile.h"
#include "helper/launch/secrets.h"

/* The first half of a launch: everything checked and opened that is there, nothing done yet that a container could see. */

/* What a launch holds between its steps. */
typedef struct Launch {
        Plan plan;
        State state; /* grows as things become known, written when all are */
        Leader leader;
        Image image; /* what it says: defaults under the plan */
        char *hosts, *hostname_file, *resolv_conf, *localtime;
        char machine_id[MACHINE_ID_SIZE];
        EtcFile etc[5];
        size_t n_etc;
        const char *group; /* NULL: the user's */
        char **env;
        char **command;
        int *mount_fds;
        int image_fd, layer_fd, device_fd, etc_fd, sys_fd;
        int run_fd, shm_fd; /* detached, the container's own or clones of the host's */
        int tmp_fd;
        int mqueue_fd, pids_fd; /* detached clones of the host's; the last is of /proc */
        int host_proc_fd;       /* the host's /proc */
        int lock_fd; /* the layer as it is on disk: nobody exchanges it before we are known to run */
        int cgroup_fd, payload_fd;
        Secrets secrets;
        ProfileRoot profile; /* in the place of an image */
        int notify_fd;       /* Init=no and Notify=yes: detached clone of systemd's socket */
        int pidfd;
        int go_fd;        /* our end: writing */
        int report_fd;    /* our end: reading */
        int successor_fd; /* to whom is left behind, with Init=no */
        int theirs[2];    /* the leader's ends of the two */
        bool owner;       /* the name is ours: no other leader lives under it */
        bool layered;     /* a layer may have been made */
        char **argv;
} Launch;

/* An empty one, of which every descriptor is "none". */
Launch prepare_empty(void);

/* Closes what the container has mounted by now, and which would else stay when it ends. */
void prepare_let_go(Launch *launch);

/* Closes and frees all of it; what was made on disk stays (see cleanup). */
void prepare_done(Launch *launch);

/* Fills launch after launch->plan: environment, command, roots, control group, pipes. Logs. */
int prepare_launch(Launch *launch);

/* What the leader, which is there already, waits for first: the ids, and what prepare_own() makes. Logs. */
int prepare_rest(Launch *launch);

/* May it be launched at all: by root, for systemd, and under a name that nobody has? prepare_launch() looks again. Logs. */
int prepare_check(const Launch *launch);
