/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Sysctl=: written by a child of the helper's that has joined the container's network and IPC namespaces, through the
 * host's /proc: the container's own /proc/sys is read-only. */

/* Writes KEY=VALUE each into the namespaces of the leader, whose root is the host's id root; network: the network
 * namespace is its own. Logs. */
int sysctls_write(int leader_pidfd, uid_t root, char *const *sysctls, bool network);
