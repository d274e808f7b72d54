/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/storage/digest.h"
#include "helper/storage/extract.h"

/* What the process in the sandbox does: reads the source, whatever it is, and leaves a root directory, its listing
 * and its configuration. Everything of the source is read here and nowhere else. */

typedef enum UnpackSource {
        UNPACK_FILE, /* a tar archive: a root, an OCI layout or what "docker save" writes, by what is in it */
        UNPACK_DIRECTORY, /* a root, or an OCI layout where there are "oci-layout" and "index.json" */
} UnpackSource;

typedef struct Unpack { /* borrows */
        const char *what;
        UnpackSource source;
        int source_fd;
        bool oci, docker;      /* nothing but an OCI layout, or a docker archive, will do */
        const char *reference; /* NULL, or which image of several */
        int directory_fds[2];  /* empty, and not in anybody's tree: one will be the root */
        int listing_fd, config_fd;
        ExtractLimits limits;
} Unpack;

typedef struct UnpackResult {
        int error;     /* 0, or negative errno; logged */
        unsigned root; /* which of the directories */
        Digest digest; /* of the manifest; of the config for docker archives; else of the listing */
        Digest listing;
        ExtractCount count;
} UnpackResult;

/* What can only be had before the sandbox is closed. Sets umask and locale of the process. Logs. */
int unpack_prepare(void);

void unpack_run(const Unpack *unpack, UnpackResult *ret);
