/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/launch/plan.h"

/* The container's /dev: a small tmpfs with the nodes that every program expects and no way to others. Made by the
 * helper, because a user namespace may not make nodes; attached by the leader. */

/* Returns the detached tmpfs, empty, owned by uid and gid, with room for n_devices beside the usual ones. Logs. */
int device_tmpfs(uid_t uid, gid_t gid, size_t n_devices);

/* Puts into it null zero full random urandom tty, the usual links, empty pts/, shm/ and mqueue/, and nodes for further
 * devices of the host, all of them of uid and gid. Logs. */
int device_fill(int fd, uid_t uid, gid_t gid, const DeviceSpec *devices, size_t n_devices);
