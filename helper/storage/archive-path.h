/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

#include "common/base.h"

/* What names in archives may be. Pure. */

#define ARCHIVE_DEPTH_MAX 512

/* Makes name a path below the root of the extraction: one "/" in front, any "./" and double slashes inside and
 * slashes at the end are left out; the root itself is ".". Returns NULL, or what is wrong with it. */
const char *archive_path_normalise(const char *name, char ret[static PATH_MAX]);

/* What a layer's entry of that name removes from the layers below (image-spec, layer.md). */
typedef enum Whiteout {
        WHITEOUT_NONE,    /* an ordinary entry */
        WHITEOUT_NAME,    /* .wh.NAME */
        WHITEOUT_OPAQUE,  /* .wh..wh..opq: all that was in the directory */
        WHITEOUT_IGNORED, /* .wh..wh.*: what aufs kept for itself */
        WHITEOUT_INVALID, /* .wh. of no name, of "." or of ".." */
} Whiteout;

/* Looks at the last part of a name. For WHITEOUT_NAME *ret_name is what it removes. */
Whiteout archive_path_whiteout(const char *leaf, const char **ret_name);
