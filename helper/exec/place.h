/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <sys/stat.h>

#include "common/base.h"
#include "helper/exec/inside.h"

/* A name in a directory of a container that is held as a descriptor, and what stands there: found without ever
 * leaving the root, read only if it is a regular file, replaced whole or not at all. Everything may be exchanged by
 * the container at any moment; then it is an error, or a file of the container all the same. Does not log. */

typedef struct Place {
        int dir_fd;
        char name[NAME_MAX + 1]; /* "." of the root itself */
} Place;

#define PLACE_NONE               \
        (Place) {                \
                .dir_fd = -EBADF \
        }

/* What to say of -EREMOTE. */
#define PLACE_MOUNTED "'%s' is on a mount, which is there only while the container runs; start it"

void place_done(Place *place);
#define _cleanup_place_ _cleanup_(place_done)

typedef enum PlaceFlags {
        PLACE_FOLLOW = 1 << 0, /* a symbolic link at the end leads on */
        PLACE_MAKE = 1 << 1,   /* directories on the way are made */
} PlaceFlags;

/* Finds path, absolute. -EINVAL: it is not, or ends with ".."; -EREMOTE: it is on a mount of a container that does not
 * run, see PLACE_MOUNTED. */
int place_find(const Inside *inside, const char *path, unsigned flags, Place *ret);

/* Opens the regular file that stands there, without following a link; what it is goes to *ret. -EISDIR, -ELOOP,
 * -EINVAL for what else there is. */
int place_open_file(const Inside *inside, const Place *place, struct stat *ret);

/* The same for a directory. */
int place_open_directory(const Place *place);

/* A file on its way to a place. */
typedef struct Replacement {
        const Inside *inside; /* borrowed, as the next */
        const Place *place;
        int fd;          /* what is to be there, open for writing */
        char name[32];   /* of it, until then */
        bool exists;     /* something is there now */
        struct stat old; /* what that is */
        uid_t uid;       /* whose it is to be, if nothing is there: inside->uid, or what the caller sets */
        gid_t gid;
        int model_fd; /* borrowed: whose attributes a new one has; or negative */
} Replacement;

#define REPLACEMENT_NONE                         \
        (Replacement) {                          \
                .fd = -EBADF, .model_fd = -EBADF \
        }

/* Begins to replace what is at the place, if it is a regular file that may be written to, or nothing. expected: what
 * it was when it was read, else -ESTALE; or NULL. */
int replacement_begin(const Inside *inside, const Place *place, const struct stat *expected,
                      Replacement *ret);

/* Puts it there. It has owner, mode and attributes of what it replaces; a new one has mode.
 * set_mode: mode in either case. -ESTALE: what was there is not the same any more. ret: what it is then, or NULL. */
int replacement_commit(Replacement *replacement, mode_t mode, bool set_mode, struct stat *ret);

/* Removes it, if it was not put there. */
void replacement_done(Replacement *replacement);
#define _cleanup_replacement_ _cleanup_(replacement_done)
