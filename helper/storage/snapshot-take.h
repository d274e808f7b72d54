/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/container/inventory.h"
#include "helper/storage/layer-copy.h"

/* A container's kept layer, held against everybody else for as long as something is made of it. */

typedef struct Snapshot {
        const char *name; /* borrowed */
        Item item;
        int dir_fd;     /* snapshots/NAME, locked */
        int layers_fd;  /* layers */
        int layer_fd;   /* layers/NAME, locked; negative: there is none */
        int files_fd;   /* what holds its up/, if there has to be a layer */
        bool mounted;   /* which is a file system of its own, mounted nowhere */
        uint64_t total; /* bytes to be copied, for the bar */
        LayerCount count;
} Snapshot;

#define SNAPSHOT_NONE                                                                         \
        (Snapshot) {                                                                          \
                .dir_fd = -EBADF, .layers_fd = -EBADF, .layer_fd = -EBADF, .files_fd = -EBADF \
        }

void snapshot_done(Snapshot *s);
#define _cleanup_snapshot_ _cleanup_(snapshot_done)

/* Holds the layer of container name. needs_layer: there has to be one, or -ENOENT. Logs. */
int snapshot_hold(Snapshot *s, const char *name, bool needs_layer, bool may_run);

/* Copies it to a new directory of snapshots/NAME, the container frozen for as long as that takes and no longer. Logs. */
int snapshot_copy_standing(Snapshot *s, const char *unfinished, int *ret_fd);
