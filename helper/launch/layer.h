/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/image.h"
#include "helper/container/state.h"
#include "helper/launch/plan.h"

/* The writable layer over an image: a directory with the overlay's up/ and work/, on disk (a tmpfs cannot be
 * idmapped before Linux 6.3). Kept ones are layers/NAME, ephemeral ones layers/NAME.ephemeral. */

/* Makes and opens the layer of a container over the image image_fd, which state names with its digest; up/ takes mode
 * and owner of the image's root. An ephemeral one starts empty, whatever a killed launch left. A kept one made over
 * another image is refused (-ESTALE). *ret_mount_fd is a detached mount that holds up/ and work/; what is returned is a
 * lock on the layer against whoever would exchange or remove it. Logs. */
int layer_open(const Plan *plan, const State *state, int image_fd, int *ret_mount_fd);

/* Notes in a layer what is mounted in the container: 'd' for a directory or 'f' for a file, and its target, parents
 * first. Logs. */
int layer_note_mounts(int layer_fd, const char *name, char *const *mounts);

/* What was noted is not what a start would mount. Does not log. */
int layer_forget_mounts(int layer_fd);

/* Reads that. -EBADMSG: nothing is noted. Logs. */
int layer_read_mounts(int layer_fd, const char *name, char ***ret);

/* Takes from a layer that layer_open() returned the little room that a start has above Disk=: without it what is full
 * could not even be stacked. Before a command runs. Logs. */
int layer_limit(const Plan *plan, int layer_fd);

/* Has a layer that was opened been started from, or was its maker killed before? */
bool layer_is_stamped(int layer_fd);

/* Does the layer that was opened belong over that image? -ESTALE: over another. Logs. */
int layer_belongs(int layer_fd, const char *name, const char *noted, const Image *image);

/* Removes the layer of that name below layers_fd, if there is one. Does not log. */
int layer_remove(int layers_fd, const char *layer);

/* Removes the ephemeral layer. Logs. */
int layer_remove_ephemeral(const char *name);

/* What holds up/ and work/ of a layer that was opened: itself, or the file system that it is as a detached mount, one to
 * be read if a container runs from it; *ret_mounted says which. Logs. */
int layer_open_files(int layer_fd, const char *name, bool running, bool *ret_mounted);

/* Opens and locks the kept layer of a container that does not run, and the image that it belongs over. exclusive: it
 * is to be written to. -ENOENT: there is none. Logs all but that. */
int layer_open_kept(const char *name, bool exclusive, Image *ret_image);

/* Opens and locks a kept layer below layers_fd: shared is a start, exclusive whoever exchanges, removes or writes to it. -ENOENT:
 * there is none; -EBUSY: somebody else has it. Does not log. */
int layer_lock(int layers_fd, const char *name, bool exclusive);
