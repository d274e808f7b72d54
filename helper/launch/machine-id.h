/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

#define MACHINE_ID_SIZE 34 /* 32 digits, a line break, NUL */

/* The machine-id(5) of container name on the host whose /etc/machine-id has the text host: always the same, another
 * for each name and each host, and it tells nothing of the host's own, which machine-id(5) wants to be kept from
 * others. -EINVAL: host is none ("uninitialized", ...). */
int machine_id_make(const char *host, const char *name, char ret[static MACHINE_ID_SIZE]);
