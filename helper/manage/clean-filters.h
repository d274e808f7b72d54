/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Removes the compiled filters that no running container has (helper/launch/filter-own.h); what is missing is compiled
 * again. Keeps those for which keep() says so. Returns how many; logs what fails. */
int clean_filters(bool (*keep)(const void *userdata, int dir_fd, const char *file), const void *userdata);
