/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Opens the directory of that name below BERTH_DATA_DIR, and makes what is missing of it, 0700. /var/lib/berth itself
 * may be a link of the administrator's; below it no link is followed. Does not log. */
int data_open(const char *name);
