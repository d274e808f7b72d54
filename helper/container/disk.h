/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Disk images: a file that holds a file system, alone or in a partition of a GPT, mounted read-only through a loop
 * device that is gone with the last user of the mount, however that ends. */

typedef struct Disk {
        const char *type;      /* of the file system, as the kernel calls it */
        uint64_t offset, size; /* where it lies in the file; size 0: up to the end */
} Disk;

/* Looks into the file. Of several partitions it is the one that is marked as this architecture's root (the
 * Discoverable Partitions Specification), or the only one. -EMEDIUMTYPE: holds nothing that is known; -ENOTUNIQ: several
 * partitions, of which none is marked. Does not log. */
int disk_look(int file_fd, Disk *ret);

/* Mounts it, and returns the detached mount. name: of the image, for messages. Logs, with the way out. */
int disk_mount(int file_fd, const Disk *disk, const char *name);
