/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "helper/container/inventory.h"

#define SEC UINT64_C(1000000)

static void the_two_greatest_units_of_a_span(void **state _unused_) {
        static const struct {
                uint64_t usec;
                const char *text;
        } rows[] = {
                { 0, "0s" },
                { 999999, "0s" },
                { 59 * SEC, "59s" },
                { 60 * SEC, "1min" },
                { 61 * SEC, "1min 1s" },
                { 3599 * SEC, "59min 59s" },
                { 3600 * SEC + 59 * SEC, "1h" },
                { 86399 * SEC, "23h 59min" },
                { 86400 * SEC, "1d" },
                { (2 * 86400 + 3 * 3600 + 59 * 60) * SEC, "2d 3h" },
                { UINT64_C(31557600) * SEC, "1y" },
                { UINT64_MAX, "584542y 16d" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[32];

                format_span(rows[i].usec, text);
                ROW(i, text, streq(text, rows[i].text));
        }
}

RUN(TEST(the_two_greatest_units_of_a_span))
