/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* A process for reading what strangers wrote: in namespaces of its own, where the only files are the descriptors
 * that it is given and its root is empty and read-only; without network; with no more rights than files need to
 * get owners, modes and capabilities; with the few system calls that this takes; unable to execute or to load code.
 * A build with sanitizers, whose runtime needs more, has sandbox-none.c instead. */

/* As fork(2): 0 in the child, the pid in the parent (with a pidfd in *ret_pidfd), or negative errno. The child dies
 * with its parent. */
pid_t sandbox_fork(int *ret_pidfd);

/* In the child, once everything is open: gives up the rest. keep_fds, sorted, stay open beside 0 to 2. Logs. */
int sandbox_enter(const int *keep_fds, size_t n);

/* How the child ends: flushes, and runs no handlers where it has no files left to look at. */
void sandbox_exit(int status) __attribute__((__noreturn__));

/* A copy of directory name's mount below dir_fd, attached nowhere: ".." of it leads to itself. Logs. */
int sandbox_open_directory(int dir_fd, const char *name, bool read_only);
