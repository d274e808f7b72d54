/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/enter.h"

/* The files of a container, reached from outside and without any program in it: by a process that has nothing of the
 * host any more but what it opened before, and no more rights than the container's own root. What the kernel refuses
 * to that, it refuses to us. */

typedef struct Inside {
        int root_fd;    /* the container's root */
        int process_fd; /* our own /proc/self/fd, see inside_reopen() */
        uid_t uid;      /* whose new files are, as the container counts */
        gid_t gid;
        bool as_user; /* without the rights of root */
        int lock_fd;  /* of a kept layer */
        dev_t cover;  /* of one that does not run: the device of what stands where it has mounts, else 0 */
} Inside;

#define INSIDE_NONE                                                        \
        (Inside) {                                                         \
                .root_fd = -EBADF, .process_fd = -EBADF, .lock_fd = -EBADF \
        }

void inside_done(Inside *inside);
#define _cleanup_inside_ _cleanup_(inside_done)

typedef enum InsidePurpose {
        INSIDE_READ,
        INSIDE_WRITE,
} InsidePurpose;

/* Makes the calling process one that only reaches the files of container name, for good: its user namespace, an empty
 * root directory, no capabilities but those that files take. With user (NULL: the leader's, but with the rights of
 * root) it has that user's ids and no capability at all. One that does not run is its kept layer over
 * its image; where something is mounted when it runs, there is a mount that is empty and read-only, so that
 * nothing goes where nobody would find it. New files of it are root's. -ENOENT: no such container, -ESRCH: it
 * does not run, and keeps no files. Logs. */
int inside_enter(const char *name, const char *user, InsidePurpose purpose, Inside *ret);

/* The same for a container that has been found, with further capabilities (a bit each) in its user namespace. */
int inside_join(Enter *enter, uint64_t capabilities, Inside *ret);

/* The same for files of the host below directory_fd: descriptors alone lead anywhere from here on, and nothing is left
 * of root's rights but those over files; a caller who is not root stays what they are. ret->root_fd is a copy of
 * directory_fd. Logs. */
int inside_enter_host(int directory_fd, Inside *ret);

/* Opens again what fd, opened with O_PATH, is: that very file, whatever its name leads to by now. */
int inside_reopen(const Inside *inside, int fd, int flags);
