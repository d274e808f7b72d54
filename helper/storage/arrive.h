/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/exec/inside.h"
#include "helper/exec/place.h"
#include "helper/storage/extract.h"
#include "helper/text/progress.h"

/* A tar archive that becomes files beside those that are there: all of it is unpacked first, under a name of its own,
 * and only when it is whole takes its place, by renaming. What fails before leaves nothing. */

typedef struct Arrival {  /* borrows */
        const char *what; /* of the archive, for messages */
        const char *to;   /* of the place */
        int fd;           /* the archive; compressed ones as stream.h has them */
        const char *top;  /* what in it is to be at the place; NULL: all of it, as a directory */
        int word_fd;      /* a byte from here says that the archive is whole; negative: it says so itself */
        ExtractLimits limits;
        Progress *progress;
        ExtractCount *ret_count; /* what has arrived; NULL: nobody asks */
} Arrival;

/* Directories are merged with those that are there, other files replace others; a directory and anything else are in
 * each other's way. Logs. */
int arrive(const Arrival *arrival, const Place *place);

/* Unpacks all of the archive into fd, an empty directory of our own. Logs. */
int arrive_unpack(const Arrival *arrival, int fd);
