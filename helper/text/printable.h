/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "common/base.h"

/* Names out of archives hold what their makers like: line breaks that forge log lines, escapes that speak to the
 * terminal. Everything that is not a visible ASCII character or a blank, and the backslash, becomes \xNN. */

typedef struct Shown {
        char text[208]; /* cut, with "..." */
} Shown;

/* For messages: log_error("'%s'", shown(path).text). */
Shown shown(const char *s);

/* The whole of it, for files and JSON; blanks become \x20, so that it is one word. */
void print_word(FILE *f, const char *s);

/* A copy of n bytes in that form, whole, blanks kept. 0 or -ENOMEM. */
int printable(const char *s, size_t n, char **ret);
