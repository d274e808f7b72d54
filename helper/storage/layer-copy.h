/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/text/progress.h"

/* An exact copy of a layer: what an overlay needs to mean the same (whiteouts, opaque directories), hard links, holes,
 * attributes, owners and times. Blocks are shared where the file system can. What is in a layer was made by a
 * container: no link is followed, no mount crossed, nothing opened that is no file. */

typedef struct LayerCount {
        uint64_t entries, bytes;
} LayerCount;

/* About how many bytes a copy of directory name below dir_fd reads, for a bar: what cannot be looked at, or has several
 * names, counts as it comes. */
uint64_t layer_measure(int dir_fd, const char *name);

/* Copies the content of from_fd into the empty directory to_fd, and from_fd's own owner, mode and attributes.
 * name: of the container, for messages. Logs. */
int layer_copy(int from_fd, int to_fd, const char *name, Progress *progress, LayerCount *ret);
