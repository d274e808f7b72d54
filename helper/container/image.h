/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/metadata.h"

/* Finding an image: an ID below the image store or /var/lib/machines, or an absolute path. */

typedef struct Image { /* owns */
        int fd;        /* of its root directory */
        bool mounted;  /* which is that of a detached mount of our own, as a disk image has it */
        Metadata metadata;
} Image;

#define IMAGE_NONE           \
        (Image) {            \
                .fd = -EBADF \
        }

void image_done(Image *image);
#define _cleanup_image_ _cleanup_(image_done)

/* Opens the root directory of the image of that name (of a disk image, mounts it) with what the image says of itself: of one that was imported,
 * both of the same import, whatever happens at this moment. Checks that the directory can be a root: /dev, /proc, /sys
 * and /etc are no symbolic links (what is mounted there must not land elsewhere). Logs, naming image and remedy. */
int image_open(const char *name, Image *ret);
