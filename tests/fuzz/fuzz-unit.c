/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Words written to a unit are read back as they were; and words that a manifest splits into are written so that
 * they split into the same again. */

#include "common/base.h"
#include "common/strv.h"
#include "common/utf8.h"
#include "generator/unit.h"
#include "generator/words.h"
#include "tests/fuzz/fuzz.h"

/* Writes words, splits them again, compares. */
static void round_trip(char *const *words) {
        _cleanup_strv_ char **again = NULL;
        _cleanup_text_ Text line = { 0 };
        WordsError error;

        text_add(&line, "");
        for (size_t i = 0; words && words[i]; i++) {
                text_add(&line, " ");
                unit_word(&line, words[i], UNIT_SPECIFIERS);
        }
        assert(!line.failed && !strpbrk(line.data, "\n\r"));
        assert(words_split(line.data, &again, &error) == 0);
        assert(strv_length(again) == strv_length(words));
        for (size_t i = 0; words && words[i]; i++)
                assert(streq(words[i], again[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *copy = malloc(size + 1);
        _cleanup_strv_ char **bytes = NULL, **words = NULL;
        WordsError error = { 0 };
        int r;

        assert(copy);
        if (size > 0)
                memcpy(copy, data, size);
        copy[size] = '\0';
        /* NUL separates words: no argument can hold one. Our reader takes no other bytes than UTF-8. */
        for (size_t i = 0; i <= size; i += strlen(copy + i) + 1)
                if (utf8_valid_prefix(copy + i, strlen(copy + i)) == strlen(copy + i))
                        assert(strv_append(&bytes, copy + i) == 0);
        round_trip(bytes);
        r = words_split(copy, &words, &error);
        if (r == 0)
                round_trip(words);
        else
                assert(r == -EINVAL && error.message && error.offset <= size);
        return 0;
}
