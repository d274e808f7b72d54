/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/describe.h"

#include <stdio.h>

#define DESCRIPTION_MAX 200

int describe(const char *what, const char *name, char *const *command, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        fprintf(f, "berth %s %s:", what, name);
        for (; *command; command++)
                fprintf(f, " %s", *command);
        if (fclose(f) != 0)
                return -ENOMEM;
        for (size_t i = 0; i < size; i++)
                if (text[i] < ' ' || text[i] > '~')
                        text[i] = '?';
        text[MIN(size, (size_t) DESCRIPTION_MAX)] = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}
