/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What an image says of itself: ID.json, the OCI image configuration as it was imported (image-spec, config.md), and
 * ID.env, beside the image and never in it. Defaults under the manifest, bounded and typed; members that Berth does
 * not know mean nothing. */

typedef struct Metadata {   /* owns */
        char *user, *group; /* NULL: not said */
        char *working_directory;
        char **env;
        char **entrypoint;
        char **command;
        int stop_signal; /* 0: not said */
        char *digest;    /* NULL: not said */
} Metadata;

void metadata_done(Metadata *metadata);
#define _cleanup_metadata_ _cleanup_(metadata_done)

/* Reads a file of that kind below dir_fd; path is what it is called in messages. No file: nothing is said. Logs a wrong
 * type of a known member, naming file and member. */
int metadata_read(int dir_fd, const char *file, const char *path, Metadata *ret);
