/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "common/base.h"

/* Who is at the other end of a socket, and what polkit lets them do. */

typedef struct Subject {
        pid_t pid;
        uint64_t start_time; /* field 22 of /proc/PID/stat */
        uid_t uid;           /* when it connected */
} Subject;

/* The peer of a connected AF_UNIX socket. -ESRCH: it has gone. */
int subject_of_peer(int socket_fd, Subject *ret);

typedef enum Verdict {
        VERDICT_YES,
        VERDICT_NO,
        VERDICT_CHALLENGE, /* it takes an administrator's password, and nobody could be asked */
} Verdict;

typedef struct Question { /* borrows; of the details, NULL is none */
        const char *action;
        const char *container, *user, *volume;
        bool interactive; /* an agent may ask somebody */
} Question;

/* Asks polkit. 0, or negative errno where it does not answer. */
int authority_check(sd_bus *bus, const Subject *subject, const Question *question, Verdict *ret);
