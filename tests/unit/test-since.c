/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <time.h>

#include "helper/manage/since.h"

#define SEC UINT64_C(1000000)

static const uint64_t now = UINT64_C(1700000000) * SEC + 5; /* 2023-11-14 22:13:20 UTC */

static void what_is_a_time(void **state _unused_) {
        static const struct {
                const char *text;
                uint64_t seconds, usec;
        } rows[] = {
                { "now", 1700000000, 5 },
                { "@12", 12, 0 },
                { "5min ago", 1700000000 - 300, 5 },
                { "-1h", 1700000000 - 3600, 5 },
                { "-1h 30min", 1700000000 - 5400, 5 },
                { "today", 1699920000, 0 },
                { "yesterday", 1699833600, 0 },
                { "2023-11-14", 1699920000, 0 },
                { "2023-11-14 22:13", 1699999980, 0 },
                { "2023-11-14 22:13:20", 1700000000, 0 },
                { "2023-11-14T22:13:20", 1700000000, 0 },
                { "22:13", 1699999980, 0 },
                { "00:00:01", 1699920001, 0 },
        };

        setenv("TZ", "UTC", 1);
        tzset();
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                uint64_t usec;

                ROW(i, rows[i].text, since_parse(rows[i].text, now, &usec) == 0);
                ROW(i, rows[i].text, usec == rows[i].seconds * SEC + rows[i].usec);
        }
}

static void what_is_none(void **state _unused_) {
        static const char *const rows[] = {
                "",           "then",   "@",        "@-1",         "@18446744073709551615",
                "-",          " ago",   "x ago",    "2023-11-14x", "25:00",
                "2023-13-01", "today ", "-100years"
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                uint64_t usec = 7;

                ROW(i, rows[i], since_parse(rows[i], now, &usec) == -EINVAL);
                ROW(i, rows[i], usec == 7);
        }
}

RUN(TEST(what_is_a_time), TEST(what_is_none))
