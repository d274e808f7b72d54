/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/text/print.h"

#include <stdio.h>

#define COLUMNS_MAX 32

void print_json(json_object *object) {
        puts(json_object_to_json_string_ext(object,
                                            JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

void json_add_string(json_object *object, const char *name, const char *s) {
        json_object_object_add(object, name, s ? json_object_new_string(s) : NULL);
}

void print_table(char *const *cells, size_t columns) {
        size_t width[COLUMNS_MAX] = {};

        assert(columns > 0 && columns <= ARRAY_LEN(width));
        for (size_t i = 0; cells && cells[i]; i++)
                width[i % columns] = MAX(width[i % columns], strlen(cells[i]));
        for (size_t i = 0; cells && cells[i]; i++)
                if (i % columns == columns - 1)
                        printf("%s\n", cells[i]);
                else
                        printf("%-*s ", (int) width[i % columns], cells[i]);
}
