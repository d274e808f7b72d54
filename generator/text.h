/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Text that grows. Hides reallocation and running out of memory: after a failure everything that is added
 * vanishes and text_take() says so, so that a writer checks once. */

typedef struct Text {
        char *data; /* owned, NUL-terminated once anything was added */
        size_t size, room;
        bool failed;
} Text;

void text_done(Text *t);
#define _cleanup_text_ _cleanup_(text_done)

void text_add_bytes(Text *t, const char *s, size_t n);
void text_add(Text *t, const char *s);
void text_addf(Text *t, const char *format, ...) _printf_(2, 3);

/* Hands the text over, never NULL, and empties t. 0 or -ENOMEM. ret_size may be NULL. */
int text_take(Text *t, char **ret, size_t *ret_size);
