/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Processes of a container as the kernel shows them in /proc. What it shows is the processes' own to choose where it
 * is a name or a command line. Does not log. */

#define PROCESS_LEVELS_MAX 33 /* pid_namespaces(7): nested 32 deep */

typedef struct ProcessIds {
        pid_t pids[PROCESS_LEVELS_MAX]; /* its number in each pid namespace, the host's first */
        size_t n_pids;
        uid_t uid; /* real, of the host */
} ProcessIds;

/* proc_fd: the process's directory in /proc. -ESRCH: it has ended. */
int process_read_ids(int proc_fd, ProcessIds *ret);

/* The rest of the line of /proc/PID/status that begins with KEY and a colon; -ENODATA: there is none. */
int process_read_status(int proc_fd, const char *key, char **ret);

typedef struct ProcessFigures {
        uint64_t cpu_usec;
        uint64_t memory_bytes; /* resident */
} ProcessFigures;

int process_read_figures(int proc_fd, ProcessFigures *ret);

/* The command line, or the name in brackets where there is none. Blanks between the words; what is not visible
 * ASCII is \xNN. */
int process_read_command(int proc_fd, char **ret);

/* "host": it has the host's network; "none": one of its own with nothing but loopback; "private": one of its own. */
int process_read_network(int proc_fd, const char **ret);

/* Is it of the container whose unit has that control group (as in /proc/PID/cgroup), and not one that only attends to it?
 * 1, 0 or negative errno. */
int process_in_container(int proc_fd, const char *unit);

/* Calls function for each process in the cgroup and below, once, with its directory in /proc, until one returns
 * other than 0; returns that. A process that ends meanwhile is left out. */
int process_for_each(int cgroup_fd, int (*function)(int proc_fd, pid_t pid, void *userdata), void *userdata);
