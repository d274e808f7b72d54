/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Which sysctls are a container's own: those that a namespace keeps for itself. All others are the host's, whoever
 * writes them. */

typedef enum SysctlScope {
        SYSCTL_NETWORK, /* net.*: of the network namespace */
        SYSCTL_IPC,     /* System V IPC and POSIX message queues: of the IPC namespace */
        _SYSCTL_SCOPE_INVALID = -EINVAL,
} SysctlScope;

/* The scope of "net.ipv4.ip_forward" and the like: parts of letters, digits, '_' and '-' with dots between.
 * -EINVAL if it is no such name, or the host's. */
SysctlScope sysctl_scope(const char *key);

/* Is that the form of a name at all? */
bool sysctl_name_valid(const char *key);
