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

/* Makes a tmpfs, detached and empty, of uid and gid. Logs. */
int etc_tmpfs(uid_t uid, gid_t gid);

/* Puts files of uid and gid into its directory etc. Logs. */
int etc_fill(int tmpfs_fd, uid_t uid, gid_t gid, const EtcFile *files, size_t n_files);

/* Mounts the files of that tmpfs, which is attached somewhere by now (of a detached mount nothing can be cloned before
 * Linux 6.15), below the /etc of root_fd: as many mounts as files. Logs. */
int etc_place(int root_fd, int tmpfs_fd, const EtcFile *files, size_t n_files);

/* Can the files be mounted over those of the image as it is? What is missing there shows through from the tmpfs; a link
 * in the way cannot be replaced where nothing can be written. */
bool etc_has_places(int image_fd, const EtcFile *files, size_t n_files);
