/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/calm.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/check.h"

#define BYTES(s) s, sizeof(s) - 1

static void an_emergency_is_none_and_all_else_stays(void **state _unused_) {
        static const struct {
                const char *text;
                size_t n;
                const char *calm;
        } rows[] = {
                { BYTES("<0>all is lost\n"), "<1>all is lost\n" },
                { BYTES("one\n<0>two\n<3>three\n<0>"), "one\n<1>two\n<3>three\n<1>" },
                { BYTES("<00>a\n<000>b\n"), "<01>a\n<001>b\n" },
                { BYTES(" \t<0>a\n\r<0>b\n"), " \t<1>a\n\r<1>b\n" },
                { BYTES("a\0<0>b"), "a\0<1>b" },
                { BYTES("<1>a\n<7>b\n<10>c\n<8>d\n<0000>e\n<>f\n<<0>g\n<0x1f>\n"),
                  "<1>a\n<7>b\n<10>c\n<8>d\n<0000>e\n<>f\n<<0>g\n<0x1f>\n" },
                { BYTES("std::get<0>(x)\n"), "std::get<0>(x)\n" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                Calm calm = { .on = true };
                char text[256];

                memcpy(text, rows[i].text, rows[i].n);
                calm_apply(&calm, text, rows[i].n);
                ROW(i, rows[i].calm, memcmp(text, rows[i].calm, rows[i].n) == 0);
        }
}

/* However it is cut in two, what the journal reads is no emergency. */
static void nor_is_one_that_comes_in_parts(void **state _unused_) {
        static const char *const texts[] = { "x\n<0>a", "\n<00>a", "\n <000>a" };

        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
                for (size_t at = 0; at <= strlen(texts[i]); at++) {
                        char text[16];
                        const char *mark;
                        Calm calm = { .on = true };

                        snprintf(text, sizeof(text), "%s", texts[i]);
                        calm_apply(&calm, text, at);
                        calm_apply(&calm, text + at, strlen(text) - at);
                        mark = strchr(text, '<') + 1;
                        mark += strspn(mark, "0");
                        assert_true(*mark == '1' || *mark == ' ');
                }
}

/* The journal breaks long lines. */
static void nor_is_one_in_a_long_line(void **state _unused_) {
        size_t n = 50000;
        char *text = malloc(n);
        Calm calm = { .on = true };

        assert_non_null(text);
        memset(text, 'x', n);
        memcpy(text + 49152, "<0>a", 4);
        calm_apply(&calm, text, n);
        assert_memory_equal(text + 49152, "<1>a", 4);
        free(text);
}

static void what_goes_elsewhere_stays_as_it_is(void **state _unused_) {
        char text[] = "<0>a";
        Calm calm = calm_begin(-EBADF);

        calm_apply(&calm, text, strlen(text));
        assert_string_equal(text, "<0>a");
}

RUN(TEST(an_emergency_is_none_and_all_else_stays), TEST(nor_is_one_that_comes_in_parts),
    TEST(nor_is_one_in_a_long_line), TEST(what_goes_elsewhere_stays_as_it_is))
