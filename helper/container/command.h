/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Executing a container's program by the container's own PATH. */

/* What PATH is where neither image nor manifest set one. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Executes argv[0], looked up in env's PATH where it holds no slash (execvp(3), but without its fallback to
 * /bin/sh for files without "#!"). Returns only on failure: -ENOENT if nothing of that name was found, else the
 * most telling errno. */
int command_exec(char *const argv[], char *const env[]);

/* 127 for what is not there (ENOENT, ENOTDIR), 126 for what is there and cannot be executed. */
int command_exit_status(int error);

/* fork(2), of a child that is killed when we end, however we do. Its pid, 0 in the child, or negative errno. */
pid_t command_fork(void);

/* What is shown as this process: title, in the place of all the words of its command line, which whoever sees the process can
 * read (proc_pid_cmdline(5)). argv: as main() had it; its strings are lost. */
void command_rename(char **argv, const char *title);

/* Makes path the working directory, and refuses one that lies outside of the root: -ENOENT for "(unreachable)",
 * as a descriptor leaked from elsewhere would give. */
int command_chdir(const char *path);
