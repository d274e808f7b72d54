/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/types.h"

/* The types of [Health]. */

extern const Type type_interval;      /* microseconds, from 100 ms to a year */
extern const Type type_start_period;  /* microseconds, at most a year */
extern const Type type_health_action; /* none, restart, stop */
