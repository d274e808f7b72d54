/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What SOURCE of "berth image import" means: words only, but for the look whether a file is there. */

typedef enum ImageSourceKind {
        IMAGE_SOURCE_STDIN,    /* - */
        IMAGE_SOURCE_PATH,     /* a file or a directory */
        IMAGE_SOURCE_REGISTRY, /* docker://... */
} ImageSourceKind;

typedef struct ImageSource { /* owns */
        ImageSourceKind kind;
        char *path;       /* or, of a registry, all of it */
        char *reference;  /* NULL, or which image of several */
        bool oci, docker; /* it is to be that and nothing else */
        char *id;         /* the ID that it suggests, NULL where it suggests none */
} ImageSource;

void image_source_done(ImageSource *source);
#define _cleanup_image_source_ _cleanup_(image_source_done)

/* "oci:PATH[:REFERENCE]", "docker-archive:PATH[:REFERENCE]", "docker://NAME", "-" or a path. Logs. */
int image_source_parse(const char *s, ImageSource *ret);
