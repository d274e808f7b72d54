/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "common/strv.h"
#include "generator/words.h"

static void words_split_as_systemd_splits_them(void **state _unused_) {
        static const struct {
                const char *in, *out[6];
        } rows[] = {
                { "", { NULL } },
                { " \t ", { NULL } },
                { "a  b\tc", { "a", "b", "c" } },
                { "\"\" '' x", { "", "", "x" } },
                { "\"a b\" 'c d'", { "a b", "c d" } },
                { "A=\"b c\"d", { "A=b cd" } },
                { "'\"' \"'\"", { "\"", "'" } },
                { "\"a\\\"b\" 'a\\'b'", { "a\"b", "a'b" } },
                { "\\a\\b\\f\\n\\r\\t\\v\\s\\\\", { "\a\b\f\n\r\t\v \\" } },
                { "\\x41\\102\\u20ac\\U0001f600", { "AB\xe2\x82\xac\xf0\x9f\x98\x80" } },
                { "\\xe2\\x82\\xac", { "\xe2\x82\xac" } },
                { "; a;b #c", { ";", "a;b", "#c" } },
                { "$HOME ${X} %i", { "$HOME", "${X}", "%i" } },
                { "a\\ttb", { "a\ttb" } },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_strv_ char **words = NULL;
                WordsError error;

                assert_int_equal(words_split(rows[i].in, &words, &error), 0);
                for (size_t j = 0; j < ARRAY_LEN(rows[i].out) && rows[i].out[j]; j++) {
                        assert_true(strv_length(words) > j);
                        assert_string_equal(words[j], rows[i].out[j]);
                }
                ROW(i, rows[i].in, !rows[i].out[strv_length(words)]);
        }
}

static void what_systemd_would_guess_is_an_error_with_its_place(void **state _unused_) {
        static const struct {
                const char *in, *message;
                size_t offset;
        } rows[] = {
                { "a 'b", "a quote is not closed", 2 },
                { "a b\"", "a quote is not closed", 3 },
                { "a\\", "a backslash ends", 1 },
                { "a \\q", "unknown escape", 2 },
                { "\\ b", "unknown escape", 0 },
                { "\\8", "unknown escape", 0 },
                { "x \\x4", "an escape is cut", 2 },
                { "\\xg0", "an escape is cut", 0 },
                { "\\12", "an escape is cut", 0 },
                { "\\400", "an escape is cut", 0 },
                { "\\u12", "an escape is cut", 0 },
                { "\\U0000001", "an escape is cut", 0 },
                { "\\x00", "an escape makes a NUL", 0 },
                { "\\000", "an escape makes a NUL", 0 },
                { "\\u0000", "an escape makes a NUL", 0 },
                { "\\ud800", "an escape names no Unicode", 0 },
                { "\\U00110000", "an escape names no Unicode", 0 },
                { "\\Uffffffff", "an escape names no Unicode", 0 },
                { "a \\xff", "the escapes of a word", 2 },
                { "\\xe2\\x82", "the escapes of a word", 0 },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char **words = (char **) 1;
                WordsError error = { 0 };

                ROW(i, rows[i].in, words_split(rows[i].in, &words, &error) == -EINVAL);
                ROW(i, rows[i].in, startswith(error.message, rows[i].message));
                ROW(i, rows[i].in, error.offset == rows[i].offset);
                ROW(i, rows[i].in, words == (char **) 1);
        }
}

static void a_million_words_take_no_time(void **state _unused_) {
        size_t n = 1 << 20;
        _cleanup_free_ char *text = malloc(n + 1);
        _cleanup_strv_ char **words = NULL;
        WordsError error;

        assert_non_null(text);
        for (size_t i = 0; i < n; i++)
                text[i] = i % 2 ? ' ' : 'a';
        text[n] = '\0';
        assert_int_equal(words_split(text, &words, &error), 0);
        assert_int_equal(strv_length(words), n / 2);
}

RUN(TEST(words_split_as_systemd_splits_them), TEST(what_systemd_would_guess_is_an_error_with_its_place),
    TEST(a_million_words_take_no_time))
