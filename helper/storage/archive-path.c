/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/archive-path.h"

const char *archive_path_normalise(const char *name, char ret[static PATH_MAX]) {
        char *to = ret;
        unsigned depth = 0;

        if (name[0] == '\0')
                return "an entry without a name";
        if (name[0] == '/')
                name++;
        if (name[0] == '/')
                return "an absolute name";
        while (*name) {
                size_t n = strcspn(name, "/");

                if (n == 2 && name[0] == '.' && name[1] == '.')
                        return "a name with '..' in it";
                if (n > NAME_MAX)
                        return "a part of the name is over 255 bytes";
                if (n > 0 && !(n == 1 && name[0] == '.')) {
                        if ((size_t) (to - ret) + n + 2 > PATH_MAX)
                                return "the name is over 4095 bytes";
                        if (++depth > ARCHIVE_DEPTH_MAX)
                                return "over 512 directories deep";
                        if (to != ret)
                                *to++ = '/';
                        memcpy(to, name, n);
                        to += n;
                }
                name += n;
                name += strspn(name, "/");
        }
        if (to == ret)
                *to++ = '.';
        *to = '\0';
        return NULL;
}

Whiteout archive_path_whiteout(const char *leaf, const char **ret_name) {
        const char *name = startswith(leaf, ".wh.");

        if (!name)
                return WHITEOUT_NONE;
        if (streq(name, ".wh..opq"))
                return WHITEOUT_OPAQUE;
        if (startswith(name, ".wh."))
                return WHITEOUT_IGNORED;
        if (name[0] == '\0' || streq(name, ".") || streq(name, ".."))
                return WHITEOUT_INVALID;
        *ret_name = name;
        return WHITEOUT_NAME;
}
