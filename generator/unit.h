/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/text.h"

/* Unit text. The only place that knows how systemd quotes (systemd.syntax(7), systemd.service(5) "Command
 * lines"); its words are fuzzed against systemd's own reader. */

#define UNIT_LINE_MAX (1024U * 1024) /* systemd's LONG_LINE_MAX */

typedef enum UnitPercent {
        UNIT_LITERAL,    /* a "%" is a "%": doubled */
        UNIT_SPECIFIERS, /* a "%" begins a specifier, or is doubled already: kept */
} UnitPercent;

void unit_section(Text *t, const char *name);

/* Adds KEY=VALUE as it is. -EINVAL if systemd would read anything but this one line of it: an end of line inside
 * or a backslash at the end; -E2BIG if it is longer than systemd reads. */
int unit_line(Text *t, const char *key, const char *value);

/* The same, value being literal text in which systemd expands specifiers and unquotes nothing. */
int unit_literal(Text *t, const char *key, const char *value);

/* Adds one word of a line, always in double quotes. */
void unit_word(Text *t, const char *word, UnitPercent percent);

/* Adds a word that is prefix and value, both with specifiers. */
void unit_option(Text *t, const char *prefix, const char *value);
