/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* sd_notify(3)'s protocol by hand: one datagram to $NOTIFY_SOCKET. libsystemd would cost more to map than the
 * launch takes. */

/* Sends text, as from process pid (0: ourselves; another needs CAP_SYS_ADMIN, see sd_pid_notify(3)).
 * -ENOENT if NOTIFY_SOCKET is not set. */
int notify_send(pid_t pid, const char *text);

/* A socket that is connected to $NOTIFY_SOCKET, or -ENOENT if that is not set. */
int notify_connect(void);

/* sd_notify_barrier(3), in two: returns a descriptor that hangs up when systemd has read all that was sent before. */
int notify_barrier(void);

/* Waits for that; -ETIMEDOUT after timeout_ms. */
int notify_barrier_wait(int barrier_fd, int timeout_ms);
