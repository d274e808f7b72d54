/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The unit's delegated control group: payload (the leader), guard and exec-* (see exec), beside each other, so that
 * each can be limited and killed whole. Paths are as in /proc/PID/cgroup, below the cgroup2 mount. */

#define CGROUP_PAYLOAD "payload"

/* Opens the cgroup2 mount; -EMEDIUMTYPE if there is none (cgroups(7)). */
int cgroup_open_mount(void);

/* Our own cgroup2 path, "/machine.slice/web.service". */
int cgroup_self(char **ret);

/* The same of another process. -ENOENT: it has ended. */
int cgroup_of(pid_t pid, char **ret);

/* Opens a cgroup by its path. */
int cgroup_open(const char *path);

/* Opens the one that holds it, the unit's of a payload's path. -EBADMSG: it is no such path. */
int cgroup_open_parent(const char *path);

/* Is name listed in cgroup.controllers of cgroup_fd? 1, 0 or negative errno. */
int cgroup_has_controller(int cgroup_fd, const char *name);

/* Makes (again) an empty child and opens it. */
int cgroup_make(int cgroup_fd, const char *name);

/* Has the kernel count memory, tasks and io for each child apart, as far as it can here. */
void cgroup_count_children(int cgroup_fd);

/* 1 once nothing lives in the cgroup or below it, 0 if something still does after timeout_ms. */
int cgroup_wait_empty(int cgroup_fd, uint64_t timeout_ms);

/* Kills all that lives in the cgroup or below it, and waits for its end. -ETIME: something did not end even so. */
int cgroup_kill(int cgroup_fd);

/* Removes the cgroup that is open, whose name that is, and those right below it, where nothing lives in them any more. */
int cgroup_remove(int cgroup_fd, const char *name);

/* Hands the controllers to the children of cgroup_fd and repeats its limits on child_fd, so that a program inside
 * reads its own memory.max, cpu.max and pids.max. Moves the calling process into the child named aside, as a cgroup
 * with processes of its own cannot have controlled children (no internal processes, cgroups(7)). */
int cgroup_delegate(int cgroup_fd, int child_fd, const char *aside, char *const controllers[]);
