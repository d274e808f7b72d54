/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* A layer that the file system below limits: its directory is a project of its own (quotactl(2), PRJQUOTA), which all
 * that is made in it belongs to. In a user namespace nobody can give a file to another project, the container's root
 * included; outside of one every owner can. Nothing logs. */

/* Does the file system that fd is on enforce such quotas? */
bool layer_quota_in_force(int fd);

/* Is the layer a project of ours? */
bool layer_quota_has(int layer_fd);

/* Makes a layer that holds neither up/ nor work/ yet a project that nobody else uses. 1: it is; 0: its file system
 * has no such quotas in force, or is in somebody's project itself. layers_fd: the directory that it is in. */
int layer_quota_join(int layers_fd, int layer_fd);

/* Limits the project of layer_fd to so many bytes, and to as many files as an ext4 of that size has room for; 0: lifts
 * the limit. room: but to no less than so many bytes, and a few files, above what it holds. -ESRCH: such quotas are not
 * in force. */
int layer_quota_set(int layer_fd, uint64_t size, uint64_t room);
