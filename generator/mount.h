/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* One mount: the short form Volume=, the values of a [Mount NAME], and the spelling that common/contract.h gives
 * it on the command line. Specifiers stay in place. */

typedef struct Mount { /* owns its strings */
        char *type, *source, *target;
        char *read_only, *create, *file_type, *id_map, *options, *subpath,
                        *recursive; /* canonical, or NULL */
        unsigned line;              /* of the section, of Volume= or of Tmpfs= */
} Mount;

void mount_done(Mount *m);

/* The value of --mount=. 0 or -ENOMEM. */
int mount_format(const Mount *m, char **ret);

/* Parsers in the sense of types.h. mount_parse_volume() leaves *ret alone on failure. */
int mount_parse_volume(const char *value, Mount *ret, char **reterr);
int mount_parse_tmpfs(const char *word, Mount *ret, char **reterr); /* PATH[:OPTIONS] */
int mount_parse_id_map(const char *value, char **ret, char **reterr);
int mount_parse_options(const char *value, char **ret, char **reterr);

/* Checks, the same way: specifiers that may stand in a mount, a target, the source of a volume. */
int mount_check_specifiers(const char *s, char **reterr);
int mount_check_target(const char *target, char **reterr);
int mount_check_volume(const char *source, char **reterr);

/* OTHER:VOLUME, another container's. */
int mount_check_pointer(const char *source, char **reterr);

/* A name without a container before it. */
int mount_check_assets(const char *source, char **reterr);

/* A relative path without ".." below the source. */
int mount_check_subpath(const char *path, char **reterr);
