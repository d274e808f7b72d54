/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Secret=: credentials that systemd has passed to the service (LoadCredential= in systemd.exec(5)), for the command: a
 * read-only tmpfs of its own, which only its user can read. What is in them stands in no unit, no state, no argument. */

#define SECRETS_PATH "/run/credentials" /* inside */

typedef struct Secret {
        const char *name;     /* of a credential; borrowed */
        const char *variable; /* that holds it as well, or NULL; borrowed */
        char *data;           /* owned, wiped when freed */
        size_t size;
} Secret;

typedef struct Secrets {
        Secret *list;
        size_t n;
        int fd; /* detached tmpfs, or negative without any */
} Secrets;

#define SECRETS_NONE          \
        (Secrets) {           \
                .fd = -EBADF, \
        }

void secrets_done(Secrets *secrets);

/* Adds "NAME" or "NAME:env=VARIABLE". -EINVAL for something else. */
int secrets_add(Secrets *secrets, const char *text);

/* Reads them from $CREDENTIALS_DIRECTORY and makes the tmpfs. Logs. */
int secrets_read(Secrets *secrets);

/* Adds the variables to env. Logs. */
int secrets_set(const Secrets *secrets, char ***env);

/* Wipes what was read, of a process that only needs the tmpfs. */
void secrets_forget(Secrets *secrets);

/* Fills the tmpfs for a user, as the host counts, makes it read-only, and forgets what was read. Logs. */
int secrets_fill(Secrets *secrets, uid_t uid, gid_t gid);
