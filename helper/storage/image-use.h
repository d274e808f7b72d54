/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/storage/store.h"

/* Which images are in use: by running containers, as their state says, and by mounts of whoever else. */

typedef struct ImageUse { /* owns */
        char *container;
        char *id;      /* of the image that it runs from; NULL: none of the store */
        char *digest;  /* of the image; NULL: its state does not say */
        bool doubtful; /* what its manifest names is not there any more, or is not known: it could be any */
} ImageUse;

typedef struct ImageUses {
        ImageUse *items;
        size_t n;
        char **mounts; /* the text of each mount table there is */
} ImageUses;

void image_uses_done(ImageUses *uses);
#define _cleanup_image_uses_ _cleanup_(image_uses_done)

/* Looks at all running containers and mount tables. Logs. */
int image_uses_collect(ImageUses *ret);

/* The containers that run from ID, now or before it was replaced. Logs. */
int image_uses_of_id(const ImageUses *uses, const char *id, char ***ret);

/* Is an entry in use? If in doubt it is. */
bool image_uses_entry(const ImageUses *uses, const Store *store, const char *entry);
