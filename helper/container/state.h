/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What is known of a running container: /run/berth/containers/NAME/state (lines Key=Value), env and argv
 * (NUL-separated), written once by launch, read by everyone else, believed only while the leader that they name
 * lives. A kill -9 may leave a stale one; nothing here trusts it. Does not log. */

typedef struct State { /* owns all of its pointers */
        char *name;
        char *unit;               /* NULL when launched by hand (--foreground) */
        char *invocation_id;      /* NULL likewise */
        pid_t pid;                /* the leader, as the host counts */
        uint64_t start_time;      /* field 22 of /proc/PID/stat, clock ticks */
        uint64_t pid_ns, user_ns; /* inode numbers; user_ns of the host's with PrivateUsers=no */
        char *cgroup; /* of the leader, below the cgroup2 mount: "/machine.slice/web.service/payload" */
        uint32_t uid_base,
                        uid_count; /* host ids that the container's 0.. are; 0 and 0 with PrivateUsers=no */
        char *image;               /* as the manifest names it */
        char *image_digest;        /* NULL: of an image that says none */
        char *user;                /* as the manifest names it, or "" */
        uid_t uid;                 /* as resolved inside */
        gid_t gid;
        gid_t *groups;
        size_t n_groups;
        char *working_directory;
        char *hostname;
        uint64_t capabilities; /* bounding set */
        uint64_t ambient;      /* of them, those that the user has without being root */
        uint32_t umask;
        bool no_new_privs;
        bool restrict_suid_sgid, filter_replaces; /* see Filter */
        char *apparmor;                           /* profile, or NULL */
        char *filter;                             /* the container's own filter, or NULL */
        size_t filter_size;
        bool init; /* pid is the built-in init, the command its first child */
        bool host_pids; /* its processes are in the host's pid namespace: nothing but its control group ends them */
        uint64_t created_usec; /* CLOCK_REALTIME at launch */
        char **labels;         /* KEY=VALUE */
        char **env;            /* without what passwd gives (HOME, USER, LOGNAME, SHELL) and TERM */
        char **argv; /* the command; empty for an idle leader. For others to read: state_read() does not */
} State;

void state_done(State *state);
#define _cleanup_state_ _cleanup_(state_done)

/* Writes the files, the state under a name that nobody reads: until its root is its own, who enters the container
 * enters the host. launch is the command line that systemd gave, for "berth diff" to compare with the manifest's; NULL
 * leaves it as it is. */
int state_write(const State *state, char *const *launch);

/* Makes it known to everyone else, and with it that the others are whole. -ENOENT: it has been removed meanwhile. */
int state_publish(const char *name);

/* Reads that command line. */
int state_read_launch(const char *name, char ***ret);

/* Removes the directory of container name. */
int state_remove(const char *name);

/* Reads them. -ENOENT: no such container; -EBADMSG: damaged or of another format. */
int state_read(const char *name, State *ret);

/* How long the leader has lived, in microseconds. */
uint64_t state_age_usec(const State *state);

/* Opens a pidfd of the leader and checks that it is still the process the state was written for (start time,
 * pid and user namespace). -ESRCH if not: the state is stale. */
int state_open_leader(const State *state);

/* The names that have a state directory, stale ones too, sorted. */
int state_list(char ***ret);

/* Field 22 of /proc/PID/stat. */
int state_start_time(pid_t pid, uint64_t *ret);

/* st_ino of /proc/PID/ns/WHICH. */
int state_namespace(pid_t pid, const char *which, uint64_t *ret);
