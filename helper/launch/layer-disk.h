/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* A layer that cannot grow beyond Disk=: an ext4 of that size in a sparse file of the layer's directory. */

#define LAYER_DISK     "disk"
#define LAYER_DISK_MIN (UINT64_C(4) << 20)

/* Makes it where it is missing, and returns it as a detached mount. One that is there of another size is refused.
 * name: what the layer is called in messages. Logs. */
int layer_disk_open(int layer_fd, const char *name, uint64_t size, bool ephemeral);
