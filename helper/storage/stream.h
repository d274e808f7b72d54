/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/storage/digest.h"
#include "helper/storage/extract.h"
#include "helper/text/progress.h"

/* A file that may be compressed (gzip, zstd, xz), read once from its beginning to its end: what it unpacks to, the
 * digests of what it is and of what it unpacks to, and a tar archive in it, extracted. Hides libarchive. */

typedef struct StreamSource {
        const char *what;   /* for messages; borrowed */
        int fd;             /* borrowed, read from where it stands */
        uint64_t size;      /* it must have, or UINT64_MAX */
        uint64_t *budget;   /* how many bytes may come of it; what does is taken off */
        bool end_marker;    /* an archive cut at its end must be told by itself: no digest will */
        Progress *progress; /* NULL: none */
} StreamSource;

typedef struct StreamDigests {
        Digest packed, unpacked;
} StreamDigests;

/* Extracts the tar archive that source is. ret_digests: NULL, or what to compare it with afterwards, the whole of it
 * having been read. Logs. */
int stream_extract_tar(const StreamSource *source, Extract *x, StreamDigests *ret_digests);
