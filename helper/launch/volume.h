/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/launch/plan.h"

/* The sources of a container's mounts on the host: volumes/NAME/VOLUME, backup/NAME/BACKUP and assets/ASSETS below
 * /var/lib/berth, made at first use; other containers' volumes; bound paths, checked. */

/* Opens the source of a mount that is no tmpfs as a detached clone, read-only if so asked, ids not mapped yet. A
 * missing volume is made, whole or not at all, with owner, mode and content of what the image has at the target;
 * assets and backups empty; a missing bind source only with create; another container's never.
 * A volume is locked until mount is done: nobody exchanges or removes it before it is known who uses it. Logs. */
int volume_open(const char *name, MountSpec *mount, int image_fd);
