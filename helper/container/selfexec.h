/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Keeps root of a container that is root of the host as well from overwriting our own file through /proc/PID/exe
 * (CVE-2019-5736). Needed only with PrivateUsers=no: elsewhere the container may not write to host files. */

/* Returns 0 where our file cannot be written to: it lies on a read-only mount. Else executes it from such a mount of
 * its own, with the same arguments in our place, and returns only on failure. argv[0] is the verb, as verb functions
 * get it. Call it before anything is set up: it begins the program anew. */
int selfexec_protect(char *argv[]);
