/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/world.h"

bool world_unit_name_valid(const char *unit) {
        static const char *const suffixes[] = { ".service", ".socket",    ".target", ".device",
                                                ".mount",   ".automount", ".swap",   ".timer",
                                                ".path",    ".slice",     ".scope" };
        static const char letters[] =
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.\\@-";
        size_t n = strlen(unit);

        if (n >= 256 || strspn(unit, letters) != n || unit[0] == '@' || unit[0] == '.')
                return false;
        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
                if (endswith(unit, suffixes[i]) && n > strlen(suffixes[i]))
                        return true;
        return false;
}
