/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/text.h"

/* Two texts, line by line, as diff -u shows them. Pure. */

/* Adds the hunks that make b of a, three lines around each, nothing if they are the same. The vectors are lines
 * without their ends; NULL is none. 0 or -ENOMEM. */
int compare_lines(Text *t, char *const *a, char *const *b);

/* The lines of a text. 0 or -ENOMEM. */
int compare_split(const char *text, char ***ret);
