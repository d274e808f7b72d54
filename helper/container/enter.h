/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/resource.h>

#include "common/base.h"
#include "helper/container/state.h"

/* The way into a running container: finding it, its namespaces, a control group for what is started in it. Once
 * open, everything is held by descriptor, so that no name can lead somewhere else later. Logs. */

#define ENTER_GUARD       "guard"
#define ENTER_PREFIX      "exec-"
#define ENTER_CGROUP_SIZE (sizeof(ENTER_PREFIX) + 20)

typedef struct Enter {
        State state;
        int leader_fd;    /* pidfd */
        int root_fd;      /* the container's root, O_PATH */
        int proc_fd;      /* the host's /proc, if there is an AppArmor profile to name there */
        int cgroup_ns_fd; /* the leader's cgroup namespace */
        int unit_fd;      /* the cgroup that holds payload, guard and exec-* */
        int group_fd;     /* the one that our own is made in: unit_fd, or a scope's; borrowed */
        int cgroup_fd;    /* our own, once made */
        char cgroup[ENTER_CGROUP_SIZE];     /* its name below group_fd, once it has one */
        struct rlimit limits[RLIM_NLIMITS]; /* the leader's, once read */
        char oom_score[16];                 /* likewise; empty where it is our own */
} Enter;

#define ENTER_NONE                                                                                 \
        (Enter) {                                                                                  \
                .leader_fd = -EBADF, .root_fd = -EBADF, .proc_fd = -EBADF, .cgroup_ns_fd = -EBADF, \
                .unit_fd = -EBADF, .group_fd = -EBADF, .cgroup_fd = -EBADF                         \
        }

void enter_done(Enter *enter);
#define _cleanup_enter_ _cleanup_(enter_done)

/* Finds container name. -ENOENT: no container of that name runs, -ESRCH: it has ended. */
int enter_open(const char *name, Enter *ret);

/* Our own cgroup is to be called exec-<our pid>-<random>. */
int enter_name_cgroup(Enter *enter);

/* Makes the cgroup of that name in group_fd; -EBUSY while the container is frozen. */
int enter_make_cgroup(Enter *enter);

/* Forks into the cgroup name below unit_fd, which is made where missing; cgroup_fd is of it, or -EBADF. pid, pidfd
 * (NULL: none is wanted) as with namespaces_clone(). The child tells its parent by exit_signal (0: not at all). */
pid_t enter_clone(int unit_fd, const char *name, int cgroup_fd, int exit_signal, int *ret_pidfd);

/* Removes the exec cgroups below unit_fd in which nothing lives any more and whose makers are gone: one that was made
 * a moment ago is empty as well. */
void enter_sweep(int unit_fd);

/* Ends what a container without a pid namespace of its own has left below unit_fd, the leader's descendants and those of
 * execs, and removes their groups. -ETIME: something did not end even on KILL. Does not log. */
int enter_kill(int unit_fd);

/* Reads what the command takes of the leader, resource limits and OOM score: before the clone, which copies memory
 * that is touched after it. */
int enter_read_limits(Enter *enter);

/* Takes what was read, then joins the leader's namespaces, all in one call but the cgroup
 * namespace, see enter_join_cgroup_namespace(). Children are born into the pid namespace. */
int enter_join(const Enter *enter);

/* For the child: hides the host's cgroups. Not before the clone: with "nsdelegate" a process may start others only
 * in cgroups below the root of its cgroup namespace, and ours stands beside that (cgroups(7)). Does not log. */
int enter_join_cgroup_namespace(const Enter *enter);
