/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "common/json-text.h"

static void test_strings(void **state) {
        static const struct {
                const char *s;
                size_t n;
                const char *text;
        } rows[] = {
                { "", 0, "\"\"" },
                { "plain text / here", 17, "\"plain text / here\"" },
                { "\"\\", 2, "\"\\\"\\\\\"" },
                { "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
                { "a\0b", 3, "\"a\\u0000b\"" },
                { "\x01\x1f\x7f", 3, "\"\\u0001\\u001f\\u007f\"" },
                { "\303\244\360\237\230\200", 6, "\"\303\244\360\237\230\200\"" },
        };

        (void) state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char *text = malloc(JSON_TEXT_MAX(rows[i].n)); /* not a byte more */
                size_t n = json_text(rows[i].s, rows[i].n, text);

                ROW(i, "length", n == strlen(rows[i].text));
                ROW(i, "text", memcmp(text, rows[i].text, n) == 0);
                free(text);
        }
}

/* RFC 4648, section 10 */
static void test_base64(void **state) {
        static const char *const rows[][2] = {
                { "", "\"\"" },
                { "f", "\"Zg==\"" },
                { "fo", "\"Zm8=\"" },
                { "foo", "\"Zm9v\"" },
                { "foob", "\"Zm9vYg==\"" },
                { "fooba", "\"Zm9vYmE=\"" },
                { "foobar", "\"Zm9vYmFy\"" },
                { "\377\376\375", "\"//79\"" },
                { "\373\360", "\"+/A=\"" },
        };

        (void) state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char *text = malloc(JSON_BASE64_MAX(strlen(rows[i][0])));
                size_t n = json_base64(rows[i][0], strlen(rows[i][0]), text);

                ROW(i, "length", n == strlen(rows[i][1]));
                ROW(i, "text", memcmp(text, rows[i][1], n) == 0);
                n = json_unbase64(rows[i][1] + 1, n - 2, text);
                ROW(i, "back", n == strlen(rows[i][0]) && memcmp(text, rows[i][0], n) == 0);
                free(text);
        }
}

RUN(TEST(test_strings), TEST(test_base64))
