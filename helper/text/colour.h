/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Colours on standard output, as systemd's tools have them: on a terminal that is not a dumb one, unless NO_COLOR is
 * set (no-color.org); SYSTEMD_COLORS= says yes or no before all that (systemd(1)). */

typedef enum Colour {
        COLOUR_PLAIN,
        COLOUR_GOOD,
        COLOUR_CARE,
        COLOUR_BAD,
        _COLOUR_MAX,
} Colour;

/* What to print before and after; "" where there are none. */
const char *colour_begin(Colour colour);
const char *colour_end(Colour colour);
