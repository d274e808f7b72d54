/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/diag.h"

/* Bytes of a manifest to sections and settings, each with its place. Knows no section and no key. Hides byte
 * order marks, CRLF, comments, continuation lines and everything that is no text. Rules of systemd.syntax(7);
 * where systemd would skip a bad line with a warning, this is an error. */

#define LINES_FILE_MAX (4U * 1024 * 1024) /* bytes of a whole manifest */
#define LINES_LINE_MAX (1024U * 1024) /* systemd's LONG_LINE_MAX: bytes of a line, continuation included */

/* Where reading stands. Borrows the bytes and writes into them. */
typedef struct Lines {
        char *at, *end;
        unsigned line; /* the place of the line that ends at "at" */
} Lines;

typedef enum LineKind {
        LINE_END,
        LINE_SECTION,
        LINE_SETTING,
} LineKind;

/* One logical line. Borrows from the bytes. */
typedef struct Line {
        LineKind kind;
        char *key; /* or the section's name; no blanks around it; empty for a section whose header is wrong */
        char *value; /* no blanks around it; NULL for a section */
        unsigned line, key_column, value_column;
} Line;

/* Begins with data: size bytes and one behind them, all writable, of which the caller stays the owner. Places are
 * those of file 0, unless the caller sets "line" before the first lines_next(). */
void lines_open(Lines *l, char *data, size_t size);

/* Reads on to the next section or setting, or LINE_END. What is wrong goes to diags and is skipped: NUL,
 * invalid UTF-8, a carriage return inside a line (systemd takes one for an end of line), too long a line, a
 * line that is neither section nor setting, a continuation with nothing behind it. */
void lines_next(Lines *l, Line *ret, Diags *diags);
