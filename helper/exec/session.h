/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/container/user.h"

/* exec --session: a shell that goes on where the last call has left it. No shell stays alive between two calls: each is
 * a new one that is told what the last one had (directory, variables, options; with bash functions and arrays), and that
 * tells the same at its end. So a shell that is killed, or a call that runs out of time, costs what that call has
 * changed and no more, and there is nothing to be confused by what a command writes.
 *
 * What is told is kept in the container's state directory and read by nobody but the next shell, with the rights of the
 * same user: a session is its user's alone. */

#define SESSION_FILE_PREFIX "session-"
#define SESSION_ID_MAX      64

/* Letters, digits, "-" and "_". */
bool session_id_valid(const char *id);

typedef struct Session {
        int file_fd;  /* what is kept; locked: one call at a time */
        int state_fd; /* a file in memory: what the shell is told, and then what it tells */
        uid_t uid;
        char **argv; /* of the shell */
        char *path;  /* of what is kept */
} Session;

#define SESSION_NONE                                  \
        (Session) {                                   \
                .file_fd = -EBADF, .state_fd = -EBADF \
        }

void session_done(Session *session);
#define _cleanup_session_ _cleanup_(session_done)

/* Opens session id of container name for user, or begins it. words are put together with blanks and read by the shell, as
 * by ssh(1). env: variables that hold from this call on, over what is kept; owner: the user as the host counts. Logs; -EBUSY: another call is under way. */
int session_open(const char *name, const char *id, const User *user, char *const *words, char *const *env,
                 uid_t owner, Session *ret);

/* Keeps what the shell has told, if it came to that. If it fails there is what was kept before. */
int session_keep(Session *session);
