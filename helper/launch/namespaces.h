/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "common/parse.h"

/* Making the leader's namespaces, all but that of the network in one clone3(2), and the id maps of user namespaces. */

typedef struct Clone {
        bool new_user;  /* a user namespace of its own */
        bool host_ipc;  /* stays in the host's IPC namespace */
        bool host_pids; /* and in its pid namespace */
        bool sibling;   /* child of our parent: systemd reaps it, we may exit (CLONE_PARENT) */
        int cgroup_fd;  /* the cgroup it starts in, the root of its cgroup namespace */
} Clone;

/* As fork(2): 0 in the child, the pid in the parent (with a pidfd in *ret_pidfd), or negative errno. */
pid_t namespaces_clone(const Clone *how, int *ret_pidfd);

/* Makes a network with its loopback interface up, which takes the kernel longer than all other namespaces together. */
typedef struct NetworkMaker {
        _Alignas(16) char stack[16384];
        pid_t pid;        /* 0 or less: nobody, it was made at once */
        int fd;           /* a socket in it, or negative errno */
        const char *step; /* what it is at, and has failed to do if it fails */
} NetworkMaker;

/* Begins it, in the caller's user namespace and in a process beside the caller, which has the caller's memory, maker in it,
 * until it has been joined or the caller has ended. alone: nobody beside the caller may be there; that, and no room for
 * one, makes the caller itself do it. */
void namespaces_begin_network(NetworkMaker *maker, bool alone);

/* Waits for that one's end, and enters its network. */
int namespaces_join_network(NetworkMaker *maker);

/* Writes uid_map and gid_map of process pid: ids 0..count-1 inside are base.. outside. */
int namespaces_map(pid_t pid, uint32_t base, uint32_t count);

/* Opens the user namespace of process pid. */
int namespaces_open_user(pid_t pid);

/* Makes a user namespace for an idmapped mount only: ranges relate ids on disk (host) to ids inside (container),
 * which are uid_base + container for the kernel. An id inside beyond uid_count is -ERANGE. */
int namespaces_for_mount(const IdRange *ranges, size_t n_ranges, uint32_t uid_base, uint32_t uid_count);
