/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

#include <linux/mount.h>

/* Thin words over the descriptor-based mount calls (open_tree(2), fsopen(2), mount_setattr(2), move_mount(2)): a
 * mount is a descriptor until it is attached, and attached to a descriptor. Return a descriptor or 0, or negative
 * errno; nothing logs. */

/* Clones the one mount (no submounts) that path below dir_fd is on, as a detached tree. With path "" dir_fd itself.
 * The clone is made private at once: left in a shared peer group, what is mounted on it later would appear on the
 * host (tried). */
int mount_clone(int dir_fd, const char *path);

/* The same with all that is mounted below it: each a mount of the clone. */
int mount_clone_tree(int dir_fd, const char *path);

/* mount_set() and mount_map_ids() on a mount and all below it. */
int mount_set_tree(int mount_fd, uint64_t attributes);
int mount_map_ids_tree(int mount_fd, int userns_fd);

/* How many mounts can be seen from our root; of /proc as proc_fd, where the kernel has no listmount(2). */
int mount_count(int proc_fd, unsigned *ret);

/* Takes the octal out of a path of mountinfo (proc_pid_mountinfo(5): blank, tab, line break and backslash). */
void mount_unescape(char *s);

/* Sets attributes (MOUNT_ATTR_RDONLY, _NOSUID, ...) on a detached or attached mount. */
int mount_set(int mount_fd, uint64_t attributes);

/* Maps ids on a detached mount as the user namespace does. -EINVAL: the file system cannot (see mount_setattr(2)). */
int mount_map_ids(int mount_fd, int userns_fd);

/* Attaches a detached mount on target_fd, a directory or file. */
int mount_attach(int mount_fd, int target_fd);

/* Detaches an attached mount, whoever is still using it. */
int mount_detach(int mount_fd);

/* A new instance of a file system, detached. options: "key=value" or "flag", NULL-terminated, or NULL. */
int mount_new(const char *type, const char *const options[], uint64_t attributes);

/* Is fd on a file system of that type (statfs(2) magic)? */
bool mount_is(int fd, long magic);
