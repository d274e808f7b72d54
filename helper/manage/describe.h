/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* "berth job web-00c0ffee: apt-get update", for a unit's Description=, without what a terminal would obey. */
int describe(const char *what, const char *name, char *const *command, char **ret);
