/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* A layer that cannot grow beyond Disk=: an ext4 of that size in a sparse file of the layer's directory. */

#define LAYER_DISK     "disk"
#define LAYER_DISK_MIN (UINT64_C(4) << 20)

/* Makes it where it is missing, or larger where it is smaller, and returns it as a detached mount. One that is larger is
 * refused. name: what the layer is called in messages. Logs. */
int layer_disk_open(int layer_fd, const char *name, uint64_t size, bool ephemeral);

/* The size that one has, where layer_fd is of a layer that has one. Does not log. */
int layer_disk_size(int layer_fd, uint64_t *ret);

/* Mounts one that is there as it is. Logs. */
int layer_disk_mount(int layer_fd, const char *name);

/* The same file system as the running container's once more, to be read. Logs. */
int layer_disk_mount_running(int layer_fd, const char *name);
