/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/text/colour.h"

#include "common/parse.h"

static bool wanted(void) {
        const char *word = getenv("SYSTEMD_COLORS"), *terminal = getenv("TERM");
        bool yes;

        if (word)
                return parse_bool(word, &yes) < 0 || yes; /* other words say how many there are */
        return !getenv("NO_COLOR") && isatty(STDOUT_FILENO) == 1 && terminal && !streq(terminal, "dumb");
}

const char *colour_begin(Colour colour) {
        static const char *const codes[_COLOUR_MAX] = {
                [COLOUR_PLAIN] = "",
                [COLOUR_GOOD] = "\033[0;1;32m",
                [COLOUR_CARE] = "\033[0;1;33m",
                [COLOUR_BAD] = "\033[0;1;31m",
        };

        return wanted() ? codes[colour] : "";
}

const char *colour_end(Colour colour) {
        return colour != COLOUR_PLAIN && wanted() ? "\033[0m" : "";
}
