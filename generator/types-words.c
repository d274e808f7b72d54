/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/types-words.h"

#include <stdio.h>

#include "common/strv.h"
#include "generator/diag.h"
#include "generator/specifier.h"
#include "generator/text.h"
#include "generator/words.h"

int type_keep(const char *s, char **ret) {
        char *copy = strdup(s);

        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int type_keep_number(uint64_t v, char **ret) {
        char text[32];

        snprintf(text, sizeof(text), "%llu", (unsigned long long) v);
        return type_keep(text, ret);
}

int type_one_of(const char *value, const char *const *words, char **ret) {
        for (; *words; words++)
                if (streq(value, *words))
                        return type_keep(value, ret);
        return -EINVAL;
}

int type_same(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        size_t n = strlen(word);

        if (n >= TYPE_WORD_SIZE)
                return type_problem(ret_problem, "is too long");
        memcpy(ret, word, n + 1);
        return 0;
}

int type_split(const char *value, char ***ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        WordsError error = { 0 };
        int r;

        r = words_split(value, &words, &error);
        if (r == -EINVAL)
                return type_complain(reterr, "%s (at '%s')", error.message, DIAG_CLIP(value + error.offset));
        if (r < 0)
                return r;
        for (size_t i = 0; words && words[i]; i++) {
                r = type_check_specifiers(words[i], reterr);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(words);
        return 0;
}

/* Appends the canonical form of one word, whose specifiers are good, to t. */
static int map_word(const char *word, TypeWord parse, Text *t, char **reterr) {
        _cleanup_free_ char *filled = NULL;
        char canonical[TYPE_WORD_SIZE];
        const char *problem = NULL;
        int r;

        r = specifier_fill(word, "1", &filled);
        if (r < 0)
                return r;
        if (parse(filled, canonical, &problem) < 0)
                return type_complain(reterr, "'%s' %s", DIAG_CLIP(word), problem);
        text_addf(t, "%s%s", t->size > 0 ? " " : "", specifier_present(word) ? word : canonical);
        return 0;
}

int type_split_some(const char *value, char ***ret, char **reterr) {
        char **words = NULL;
        int r;

        r = type_split(value, &words, reterr);
        if (r < 0)
                return r;
        if (!words)
                return -EINVAL;
        *ret = words;
        return 0;
}

int type_map_words(const char *value, TypeWord parse, char **ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        _cleanup_text_ Text t = { 0 };
        int r;

        r = type_split_some(value, &words, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; words[i]; i++) {
                r = map_word(words[i], parse, &t, reterr);
                if (r < 0)
                        return r;
        }
        return text_take(&t, ret, NULL);
}

int type_map_word(const char *value, TypeWord parse, char **ret, char **reterr) {
        _cleanup_text_ Text t = { 0 };
        int r;

        if (value[0] == '\0')
                return -EINVAL;
        r = type_check_specifiers(value, reterr);
        if (r >= 0)
                r = map_word(value, parse, &t, reterr);
        return r < 0 ? r : text_take(&t, ret, NULL);
}
