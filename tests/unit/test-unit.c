/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <dlfcn.h>

#include "common/strv.h"
#include "generator/specifier.h"
#include "generator/unit.h"
#include "generator/words.h"

static void a_word_is_always_quoted_and_its_bytes_are_escaped(void **state _unused_) {
        static const struct {
                const char *word;
                UnitPercent percent;
                const char *out;
        } rows[] = {
                { "", UNIT_LITERAL, "\"\"" },
                { "a b", UNIT_LITERAL, "\"a b\"" },
                { ";", UNIT_LITERAL, "\";\"" },
                { "$HOME", UNIT_LITERAL, "\"$HOME\"" },
                { "50%", UNIT_LITERAL, "\"50%%\"" },
                { "%i%%", UNIT_SPECIFIERS, "\"%i%%\"" },
                { "%i%%", UNIT_LITERAL, "\"%%i%%%%\"" },
                { "a\"b\\c'", UNIT_LITERAL, "\"a\\\"b\\\\c'\"" },
                { "a\nb\tc\rd", UNIT_LITERAL, "\"a\\nb\\tc\\rd\"" },
                { "\x01\x1b\x7f", UNIT_LITERAL, "\"\\x01\\x1b\\x7f\"" },
                { "\xc3\xa4", UNIT_LITERAL, "\"\xc3\xa4\"" },
                { "\xc3\xa4\xff", UNIT_LITERAL, "\"\\xc3\\xa4\\xff\"" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_text_ Text t = { 0 };

                unit_word(&t, rows[i].word, rows[i].percent);
                assert_string_equal(t.data, rows[i].out);
        }
}

static void a_line_that_systemd_would_read_otherwise_is_refused(void **state _unused_) {
        static const struct {
                const char *value;
                int error;
        } rows[] = {
                { "", 0 },
                { "x", 0 },
                { "x\\\\", 0 },
                { "a\nExecStart=/evil", -EINVAL },
                { "a\rb", -EINVAL },
                { "x\\", -EINVAL },
                { "x\\\\\\", -EINVAL },
        };
        _cleanup_free_ char *line = malloc(UNIT_LINE_MAX + 2);
        _cleanup_text_ Text t = { 0 };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                size_t before = t.size;

                ROW(i, rows[i].value, unit_line(&t, "K", rows[i].value) == rows[i].error);
                ROW(i, rows[i].value, rows[i].error == 0 || t.size == before);
        }
        assert_non_null(line);
        memset(line, 'x', UNIT_LINE_MAX + 1);
        line[UNIT_LINE_MAX - 2] = '\0';
        assert_int_equal(unit_line(&t, "K", line), 0);
        line[UNIT_LINE_MAX - 2] = 'x';
        line[UNIT_LINE_MAX - 1] = '\0';
        assert_int_equal(unit_line(&t, "K", line), -E2BIG);
}

static void specifiers_are_those_of_systemd_252(void **state _unused_) {
        static const struct {
                const char *text;
                bool good;
                char bad;
                bool present;
        } rows[] = {
                { "", true, 0, false },      { "plain", true, 0, false }, { "%i", true, 0, true },
                { "%%", true, 0, false },    { "%%i", true, 0, false },   { "%%%i", true, 0, true },
                { "%", false, 0, false },    { "a%", false, 0, false },   { "%D", false, 'D', true },
                { "%20", false, '2', true }, { "%F", false, 'F', true },  { "%%%", false, 0, false },
                { "% ", false, ' ', true },  { "%k", false, 'k', true },  { "%y%Y%d%q", true, 0, true },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char bad = 0;

                ROW(i, rows[i].text, specifier_check(rows[i].text, &bad) == rows[i].good);
                ROW(i, rows[i].text, bad == rows[i].bad);
                ROW(i, rows[i].text, specifier_present(rows[i].text) == rows[i].present);
        }
}

static void specifiers_become_samples_and_names(void **state _unused_) {
        static const char *const samples[][2] = { { "%t/a%i%%", "/x/ax%" }, { "", "" }, { "%%%%", "%%" } };
        static const struct {
                const char *in, *unit, *out;
        } rows[] = {
                { "%n|%N|%p|%i|%j|%%", "a-web@x.service", "a-web@x.service|a-web@x|a-web|x|web|%" },
                { "%n|%N|%p|%i|%j", "web.service", "web.service|web|web||web" },
                { "%i", "web@.service", "" },
        };
        char *out = (char *) 1;

        for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
                _cleanup_free_ char *sample = NULL;

                assert_int_equal(specifier_sample(samples[i][0], &sample), 0);
                assert_string_equal(sample, samples[i][1]);
        }
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *expanded = NULL;

                assert_int_equal(specifier_expand(rows[i].in, rows[i].unit, &expanded), 0);
                assert_string_equal(expanded, rows[i].out);
        }
        assert_int_equal(specifier_expand("%H", "web.service", &out), -EINVAL);
        assert_ptr_equal(out, (char *) 1);
}

/* systemd's own reader of words, of the library that systemd 252 itself uses: load-fragment.c calls it so for
 * ExecStart=. The flags are those of extract-word.h of that version. */
typedef int (*ExtractFirstWord)(const char **p, char **ret, const char *separators, int flags);
#define EXTRACT_CUNESCAPE (1 << 1)
#define EXTRACT_UNQUOTE   (1 << 5)

static ExtractFirstWord systemd_reader(void) {
        void *library = dlopen("/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so",
                               RTLD_NOW | RTLD_LOCAL);

        if (!library)
                return NULL;
        return (__extension__(ExtractFirstWord) dlsym(library, "extract_first_word"));
}

/* A generator of numbers that is the same in every run. */
static uint32_t next(uint32_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        return *state;
}

static void fill(char *s, size_t n, uint32_t *state) {
        static const char odd[] = "\"'\\ ;$%\n\t\r#=[]abnx0uU\x01\x7f\xc3\xa4\xff";

        for (size_t i = 0; i < n; i++) {
                uint32_t v = next(state);

                s[i] = v % 4 ? odd[(v >> 8) % (sizeof(odd) - 1)] : (char) (1 + (v >> 8) % 255);
        }
        s[n] = '\0';
}

static void systemd_reads_every_word_back_as_it_was(void **state _unused_) {
        ExtractFirstWord extract = systemd_reader();
        uint32_t seed = 20240229;

        if (!extract)
                skip();
        for (unsigned i = 0; i < 200000; i++) {
                _cleanup_text_ Text t = { 0 };
                _cleanup_free_ char *first = NULL, *second = NULL;
                char a[40], b[40];
                const char *p;

                fill(a, next(&seed) % 39, &seed);
                fill(b, next(&seed) % 39, &seed);
                unit_word(&t, a, UNIT_SPECIFIERS);
                text_add(&t, " ");
                unit_word(&t, b, UNIT_SPECIFIERS);
                p = t.data;
                assert_int_equal(extract(&p, &first, NULL, EXTRACT_CUNESCAPE | EXTRACT_UNQUOTE), 1);
                assert_string_equal(first, a);
                assert_int_equal(extract(&p, &second, NULL, EXTRACT_CUNESCAPE | EXTRACT_UNQUOTE), 1);
                assert_string_equal(second, b);
                assert_true(!p || *p == '\0');
        }
}

/* Whatever words_split() takes, systemd reads the same way. What it refuses beyond systemd is not counted. */
static void our_reader_of_words_agrees_with_systemd(void **state _unused_) {
        ExtractFirstWord extract = systemd_reader();
        uint32_t seed = 19700101;
        unsigned compared = 0;

        if (!extract)
                skip();
        for (unsigned i = 0; i < 200000; i++) {
                _cleanup_strv_ char **words = NULL;
                char text[24];
                const char *p = text;
                WordsError error;

                fill(text, next(&seed) % 23, &seed);
                if (words_split(text, &words, &error) < 0)
                        continue;
                for (size_t j = 0;; j++) {
                        _cleanup_free_ char *word = NULL;
                        int r = extract(&p, &word, NULL, EXTRACT_CUNESCAPE | EXTRACT_UNQUOTE);

                        assert_int_equal(r, words && words[j] ? 1 : 0);
                        if (r == 0)
                                break;
                        assert_string_equal(word, words[j]);
                        compared++;
                }
        }
        assert_true(compared > 10000);
}

RUN(TEST(a_word_is_always_quoted_and_its_bytes_are_escaped),
    TEST(a_line_that_systemd_would_read_otherwise_is_refused), TEST(specifiers_are_those_of_systemd_252),
    TEST(specifiers_become_samples_and_names), TEST(systemd_reads_every_word_back_as_it_was),
    TEST(our_reader_of_words_agrees_with_systemd))
