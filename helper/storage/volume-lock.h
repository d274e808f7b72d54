/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "common/contract.h"

/* A volume by its name, for whoever makes, exchanges, removes or copies it: it lies at volumes/NAME/VOLUME, and is there
 * whole or not at all. The directory of all volumes of NAME is locked meanwhile, also against starts (launch/volume.h).
 * All of these log. */

#define VOLUMES BERTH_DATA_DIR "/volumes"

typedef struct Volume {
        const char *word; /* NAME:VOLUME, as it was said; borrowed, and so is name */
        char *owner;
        const char *name;
        int dir_fd; /* of the owner's volumes, locked; negative: there is none */
} Volume;

#define VOLUME_NONE              \
        (Volume) {               \
                .dir_fd = -EBADF \
        }

void volume_done(Volume *volume);
#define _cleanup_volume_ _cleanup_(volume_done)

/* Takes "NAME:VOLUME" apart. Looks at nothing yet. */
int volume_parse(const char *word, Volume *ret);

/* Opens and locks the directory that it is in; make: makes that where it is missing; change: nobody else may have it
 * open, and what killed ones have left in it is removed. -EBUSY if somebody has it. */
int volume_lock(Volume *volume, bool make, bool change);

/* Is it there, once it is locked? */
bool volume_exists(const Volume *volume);

/* -EBUSY if a container that runs has it mounted. remedy: how else it can be done, or "". */
int volume_refuse_used(const Volume *volume, const char *remedy);

/* Says that there is none. Returns EXIT_NO_SUCH. */
int volume_refuse_missing(const Volume *volume);

#define VOLUME_BESIDE_SIZE 40

/* Makes and opens a directory beside the volumes, by a name that none of them can have. */
int volume_make_beside(const Volume *volume, const char *what, char ret_name[static VOLUME_BESIDE_SIZE]);
