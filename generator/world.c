/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/world.h"

bool world_unit_name_valid(const char *unit) {
        static const char *const suffixes[] = { ".service", ".socket",    ".target", ".device",
                                                ".mount",   ".automount", ".swap",   ".timer",
                                                ".path",    ".slice",     ".scope" };
        size_t n = strlen(unit);

        if (n >= 256 || span_alnum(unit, ":_.\\@-") != n || unit[0] == '@' || unit[0] == '.')
                return false;
        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
                if (endswith(unit, suffixes[i]) && n > strlen(suffixes[i]))
                        return true;
        return false;
}
