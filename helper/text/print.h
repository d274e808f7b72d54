/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "common/base.h"
#include "helper/text/colour.h"

/* What verbs print: tables and JSON. */

static inline void print_put_jsonp(json_object **object) {
        (void) json_object_put(*object);
}
#define _cleanup_json_ _cleanup_(print_put_jsonp)

/* Prints it to standard output, indented. */
void print_json(json_object *object);

/* Adds object to array, whose it becomes; where that fails, it is gone: -ENOMEM. So is one that is NULL. */
int json_append(json_object *array, json_object *object);

/* Adds a member, a copy of s or null. */
void json_add_string(json_object *object, const char *name, const char *s);

/* Prints n bytes of text of whatever origin to standard output, without what a terminal would obey (utf8_disarm()). */
void print_disarmed(const char *s, size_t n);

/* Prints cells, a row after the other, in aligned columns, each as print_disarmed() does. */
void print_table(char *const *cells, size_t columns);

/* The same in the colours that colour() says. */
void print_table_coloured(char *const *cells, size_t columns,
                          Colour (*colour)(size_t column, const char *cell));
