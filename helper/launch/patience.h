/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* A step of the start that may take as long as a disk or a network needs: while it is at work the start's time limit is
 * put off, again and again, up to an hour. Where systemd has not called us nobody waits, and nothing is done. */

typedef struct Patience {
        pid_t pid; /* of who says so, 0: nobody */
} Patience;

/* status, or NULL, is what systemctl status shows once the step has taken a second. A process that cannot be made is no
 * error: the limit is then what it was. */
Patience patience_begin(const char *status);

void patience_end(Patience *patience);
#define _cleanup_patience_ _cleanup_(patience_end) _unused_ /* its end alone matters */
