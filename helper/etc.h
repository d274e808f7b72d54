/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The files of /etc that are the container's and not the image's: each a small file mounted over the image's, which
 * stays as it is. A link of the image in that place is replaced in the layer, not followed. */

typedef struct EtcFile {
        const char *name; /* below /etc */
        const char *text;
        size_t size; /* of text; 0: it is a string */
} EtcFile;

/* Writes hosts(5) for a host of that name; more: NAME:ADDRESS each, or NULL. */
int etc_hosts(const char *hostname, char *const *more, char **ret);

/* Reads the host's time zone of that name, or its own ("local"). Logs. */
int etc_localtime(const char *zone, char **ret, size_t *ret_size);

/* Makes files below the /etc of root_fd, and *ret_mounts mounts. Logs. */
int etc_fill(int root_fd, const EtcFile *files, size_t n_files, unsigned *ret_mounts);
