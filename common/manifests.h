/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Which files are manifests, and which of one name counts: the rule of systemd.unit(5), of directories in the order of
 * their precedence. The generator reads all of them at once, and the helper asks for one name. */

#define MANIFEST_SUFFIX ".berth"

/* systemd.unit(5) "Unit File Load Path", without what generators write and what a running system makes */
#define SYSTEM_UNIT_PATH                                                                                     \
        "/etc/systemd/system:/etc/systemd/system.attached:/run/systemd/system:/run/systemd/system.attached:" \
        "/usr/local/lib/systemd/system:/usr/lib/systemd/system:/lib/systemd/system"

typedef enum ManifestState {
        MANIFEST_ABSENT,
        MANIFEST_PRESENT, /* whether or not it can be read: what is wrong with it is told at a start */
        MANIFEST_MASKED,
} ManifestState;

/* Is it a mask, a link to /dev/null? Of manifests, drop-ins and systemd's units alike. */
bool manifests_is_mask(int dir_fd, const char *name);

/* Calls step for each directory of path, "DIR:DIR..." and absolute, below root that is there, until one returns other
 * than 0; returns that. step takes fd. What cannot be opened is logged and left out. -EINVAL, logged, for a wrong path;
 * -ENOMEM. */
int manifests_each_directory(int root_fd, const char *path,
                             int (*step)(int fd, const char *directory, void *userdata), void *userdata);

/* Has systemd a unit of that name, in the directories of path, that is not a mask? Of an instance, the template counts too.
 * Makes a manifest of that name none. 0, or negative errno as above. */
int manifests_find_foreign(int root_fd, const char *path, const char *unit, bool *ret);

/* What stands there for a container of that name: its own file, or that of the template that it is an instance of.
 * 0, or negative errno as above. */
int manifests_find(int root_fd, const char *path, const char *name, ManifestState *ret);
