/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/types.h"

/* What types of words share: each word is looked at alone, a word with a specifier as what it could become. */

/* Gives the canonical form of one word without specifiers. 0; -EINVAL with *ret_problem set to the rest of a sentence
 * that begins with the word. A canonical form has no blanks, quotes or backslashes. */
#define TYPE_WORD_SIZE 512
typedef int (*TypeWord)(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem);

/* Splits value and gives the canonical words, one blank between. A word that holds a specifier is looked at with "1"
 * in its place and kept as written. No word at all is an error. */
int type_map_words(const char *value, TypeWord parse, char **ret, char **reterr);

/* The same for a value that is one word and not split. */
int type_map_word(const char *value, TypeWord parse, char **ret, char **reterr);

/* Splits value into words and checks the specifiers of each. */
int type_split(const char *value, char ***ret, char **reterr);

/* The same; no word at all is -EINVAL. */
int type_split_some(const char *value, char ***ret, char **reterr);

/* One of the words of a NULL-terminated list, as it is. */
int type_one_of(const char *value, const char *const *words, char **ret);

int type_keep(const char *s, char **ret);
int type_keep_number(uint64_t v, char **ret);

/* Sets *ret_problem; for TypeWord. Always -EINVAL. */
static inline int type_problem(const char **ret_problem, const char *text) {
        *ret_problem = text;
        return -EINVAL;
}

/* Copies a word that is its own canonical form. */
int type_same(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem);
