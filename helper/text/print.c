/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/text/print.h"

#include <stdio.h>

#include "common/utf8.h"

#define COLUMNS_MAX 32
#define PIECE_SIZE  1024

void print_json(json_object *object) {
        puts(json_object_to_json_string_ext(object,
                                            JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

int json_append(json_object *array, json_object *object) {
        if (object && json_object_array_add(array, object) >= 0)
                return 0;
        json_object_put(object);
        return -ENOMEM;
}

void json_add_string(json_object *object, const char *name, const char *s) {
        json_object_object_add(object, name, s ? json_object_new_string(s) : NULL);
}

void print_disarmed(const char *s, size_t n) {
        char piece[PIECE_SIZE];

        while (n > 0) {
                size_t now = MIN(n, sizeof(piece));

                /* not in the middle of a character */
                while (now < n && now > PIECE_SIZE - 4 && ((unsigned char) s[now] & 0xc0) == 0x80)
                        now--;
                memcpy(piece, s, now);
                utf8_disarm(piece, now);
                fwrite(piece, 1, now, stdout);
                s += now;
                n -= now;
        }
}

static Colour colour_nothing(size_t column _unused_, const char *cell _unused_) {
        return COLOUR_PLAIN;
}

void print_table(char *const *cells, size_t columns) {
        print_table_coloured(cells, columns, colour_nothing);
}

void print_table_coloured(char *const *cells, size_t columns,
                          Colour (*colour)(size_t column, const char *cell)) {
        size_t width[COLUMNS_MAX] = {};

        assert(columns > 0 && columns <= ARRAY_LEN(width));
        for (size_t i = 0; cells && cells[i]; i++)
                width[i % columns] = MAX(width[i % columns], strlen(cells[i]));
        for (size_t i = 0; cells && cells[i]; i++) {
                size_t column = i % columns;
                bool last = column == columns - 1;
                Colour c = colour(column, cells[i]);

                fputs(colour_begin(c), stdout);
                print_disarmed(cells[i], strlen(cells[i]));
                printf("%s%*s", colour_end(c), last ? 0 : (int) (width[column] - strlen(cells[i]) + 1), "");
                if (last)
                        putchar('\n');
        }
}
