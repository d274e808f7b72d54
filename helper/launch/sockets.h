/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Descriptors that systemd has opened for the service and that the command gets: sd_listen_fds(3). They are 3 and on,
 * from our own start to that of the command. */

typedef struct Sockets {
        unsigned n;
        const char *names; /* of FileDescriptorName=, colons between; borrowed from the environment; NULL: none */
} Sockets;

/* Finds what was passed to this process, and keeps it from programs that we execute ourselves. To be called before
 * anything is opened, as they must not be taken for ours. Logs: there are none, or one is no way to pass data but a
 * way out of the container. */
int sockets_take(Sockets *ret);

/* For the process that becomes the command, in the container: hands them on, and says so in its environment. */
int sockets_give(const Sockets *sockets, char ***env);
