/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What the application says by sd_notify(3), passed on to systemd by the built-in init. As systemd takes a message of
 * the init for one of the service's main process, only what is harmless is: a MAINPID= from a container with the host's
 * uid 0 had systemd kill a foreign service (tried). Allocates nothing. */

#define NOTIFY_PATH     "/dev/notify" /* inside; as /dev/log is */
#define NOTIFY_SIZE_MAX 4096          /* systemd drops what is longer */

typedef struct NotifyRelay {
        int from_fd; /* bound to NOTIFY_PATH, or negative: the application says nothing */
        int to_fd;   /* connected to systemd, or negative */
        uid_t uid;   /* whose messages count, beside root's; as the container counts */
        unsigned tokens;
        uint64_t filled_usec;   /* when tokens were last added */
        uint64_t watchdog_usec; /* the init itself says that it lives, at half of this; 0: it need not */
        uint64_t pinged_usec;
} NotifyRelay;

#define NOTIFY_RELAY_NONE                           \
        (NotifyRelay) {                             \
                .from_fd = -EBADF, .to_fd = -EBADF, \
        }

/* Makes the socket "notify" in directory dir_fd, for everyone to write to. Returns it or negative errno. */
int notify_relay_bind(int dir_fd);

/* Removes from a message, in place, every line that is not one of READY, STATUS, WATCHDOG, RELOADING, MONOTONIC_USEC,
 * STOPPING, ERRNO and EXTEND_TIMEOUT_USEC with a value of its kind, and from a status what a terminal would obey.
 * Returns what is left of its n bytes, 0 for nothing. */
size_t notify_filter(char *text, size_t n);

/* Is it to be waited for that from_fd can be read? Not while systemd has no room, or more came than may. */
bool notify_relay_ready(const NotifyRelay *relay);

/* Passes on what has come, as much as may go at once, and the sign of life if it is due. Was there anything? */
bool notify_relay_run(NotifyRelay *relay);

/* Milliseconds until notify_relay_run() has something to do by itself; -1: never. */
int notify_relay_timeout(const NotifyRelay *relay);
