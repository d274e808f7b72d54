/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Words of a value, as systemd splits them (systemd.syntax(7) "Quoting", systemd.service(5) "Command lines"):
 * blanks separate, '...' and "..." keep together and may stand anywhere in a word, backslash escapes hold in
 * both and outside. Where systemd would keep an unknown escape or drop a key, this is an error. */

typedef struct WordsError {
        const char *message; /* static: what is wrong and how to mend it */
        size_t offset;       /* in bytes, from 0, of where it begins */
} WordsError;

/* Splits s into a new vector, NULL if there is no word in it. An empty pair of quotes is an empty word.
 * 0; -ENOMEM; -EINVAL with *reterr set: a quote without its end, an unknown or cut escape, one that makes a NUL
 * or bytes that are not UTF-8. */
int words_split(const char *s, char ***ret, WordsError *reterr);
