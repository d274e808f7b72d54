/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Which containers have a volume mounted: by the command line of their launch, or by berth mount since. */

/* The containers that run and have volume name of container owner, or any of its volumes where name is NULL; *ret is
 * NULL if there are none. Owned by the caller. What cannot be told of one that runs is an error, not a no. Logs. */
int volume_find_users(const char *owner, const char *name, char ***ret);
