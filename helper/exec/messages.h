/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What is logged by this process and those that it forks, kept for a program that wants to read it. */

typedef struct Messages {
        int file_fd;      /* in the place of standard error */
        int stderr_fd;    /* the true one */
        char *journal[2]; /* JOURNAL_STREAM of the two, by which log.h knows whether to write levels; or NULL */
} Messages;

#define MESSAGES_NONE                                  \
        (Messages) {                                   \
                .file_fd = -EBADF, .stderr_fd = -EBADF \
        }

/* From here on standard error is a file in memory. */
int messages_begin(Messages *ret);

/* For a while, as before another program is executed. */
void messages_pause(const Messages *messages);
void messages_resume(const Messages *messages);

/* Ends that, and logs again, to the true standard error, what was. The first error stands in *ret_error, or NULL,
 * unless that is NULL itself. */
void messages_end(Messages *messages, char **ret_error);
