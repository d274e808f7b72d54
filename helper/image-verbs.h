/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "common/base.h"
#include "helper/extract.h"

/* The verbs of "berth image": each takes what image-main.c has read from the command line, and returns the
 * program's exit status. */

typedef struct ImageArguments { /* borrows */
        const char *operand;    /* what the verb needs: a source or an ID; else NULL */
        const char *name;
        char **tags;
        bool json, no_legend, force, all;
        ExtractLimits limits;
} ImageArguments;

int image_import(const ImageArguments *arguments);
int image_list(const ImageArguments *arguments);
int image_inspect(const ImageArguments *arguments);
int image_verify(const ImageArguments *arguments);
int image_remove(const ImageArguments *arguments);
int image_prune(const ImageArguments *arguments);

static inline void image_put_jsonp(json_object **object) {
        (void) json_object_put(*object);
}
#define _cleanup_json_ _cleanup_(image_put_jsonp)

/* Prints it to standard output, indented. */
void image_print_json(json_object *object);

/* Adds a member, a copy of s or null; NULL value of object is a lack of memory that shows as absence. */
void image_add_string(json_object *object, const char *name, const char *s);
