/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "common/parse.h"

#define UNTOUCHED 77

static void only_the_eight_words_are_booleans(void **state _unused_) {
        static const struct {
                const char *text;
                int error;
                bool value;
        } rows[] = {
                { "yes", 0, true },     { "true", 0, true },    { "on", 0, true },
                { "1", 0, true },       { "no", 0, false },     { "false", 0, false },
                { "off", 0, false },    { "0", 0, false },      { "ture", -EINVAL, 0 },
                { "", -EINVAL, 0 },     { "Yes", -EINVAL, 0 },  { "y", -EINVAL, 0 },
                { " yes", -EINVAL, 0 }, { "yes ", -EINVAL, 0 }, { "yellow", -EINVAL, 0 },
                { "10", -EINVAL, 0 },   { "ON", -EINVAL, 0 },   { "t", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                bool b = !rows[i].value;

                ROW(i, rows[i].text, parse_bool(rows[i].text, &b) == rows[i].error);
                ROW(i, rows[i].text, b == (rows[i].error == 0 ? rows[i].value : !rows[i].value));
        }
}

typedef int (*Parse)(const char *, uint64_t *);

typedef struct Row {
        Parse parse;
        const char *text;
        int error;
        uint64_t value;
} Row;

static int parse_32(const char *s, uint64_t *ret) {
        uint32_t v = UNTOUCHED;
        int r = parse_uint32(s, &v);

        *ret = v;
        return r;
}

static int parse_ids(const char *s, uint64_t *ret) {
        uint32_t v = UNTOUCHED;
        int r = parse_id(s, &v);

        *ret = v;
        return r;
}

static void check_rows(const Row *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint64_t v = UNTOUCHED;

                ROW(i, rows[i].text, rows[i].parse(rows[i].text, &v) == rows[i].error);
                ROW(i, rows[i].text, v == (rows[i].error == 0 ? rows[i].value : UNTOUCHED));
        }
}

static void numbers_are_digits_and_nothing_else(void **state _unused_) {
        static const Row rows[] = {
                { parse_uint64, "0", 0, 0 },
                { parse_uint64, "007", 0, 7 },
                { parse_uint64, "18446744073709551615", 0, UINT64_MAX },
                { parse_uint64, "18446744073709551616", -ERANGE, 0 },
                { parse_uint64, "99999999999999999999999", -ERANGE, 0 },
                { parse_uint64, "", -EINVAL, 0 },
                { parse_uint64, "-1", -EINVAL, 0 },
                { parse_uint64, "+1", -EINVAL, 0 },
                { parse_uint64, " 1", -EINVAL, 0 },
                { parse_uint64, "1 ", -EINVAL, 0 },
                { parse_uint64, "1x", -EINVAL, 0 },
                { parse_uint64, "0x10", -EINVAL, 0 },
                { parse_uint64, "1e9", -EINVAL, 0 },
                { parse_uint64, "1.0", -EINVAL, 0 },
                { parse_32, "4294967295", 0, UINT32_MAX },
                { parse_32, "4294967296", -ERANGE, 0 },
                { parse_ids, "0", 0, 0 },
                { parse_ids, "4294967294", 0, UINT32_MAX - 1 },
                { parse_ids, "4294967295", -ERANGE, 0 },
                { parse_ids, "root", -EINVAL, 0 },
                { parse_ids, "", -EINVAL, 0 },
        };

        check_rows(rows, ARRAY_LEN(rows));
}

static void sizes_are_bytes_with_suffixes_of_1024(void **state _unused_) {
        static const Row rows[] = {
                { parse_size, "0", 0, 0 },
                { parse_size, "4096", 0, 4096 },
                { parse_size, "1K", 0, 1024 },
                { parse_size, "1.5K", 0, 1536 },
                { parse_size, "256M", 0, 268435456 },
                { parse_size, "2G", 0, 2147483648 },
                { parse_size, "1T", 0, 1099511627776 },
                { parse_size, "0.1G", 0, 107374182 },
                { parse_size, "16777215T", 0, 18446742974197923840U },
                { parse_size, "16777216T", -ERANGE, 0 },
                { parse_size, "1.5", -EINVAL, 0 },
                { parse_size, "1k", -EINVAL, 0 },
                { parse_size, "1KB", -EINVAL, 0 },
                { parse_size, "1KiB", -EINVAL, 0 },
                { parse_size, "1 K", -EINVAL, 0 },
                { parse_size, "K", -EINVAL, 0 },
                { parse_size, ".5K", -EINVAL, 0 },
                { parse_size, "1.K", -EINVAL, 0 },
                { parse_size, "1..5K", -EINVAL, 0 },
                { parse_size, "-1K", -EINVAL, 0 },
                { parse_size, "lots", -EINVAL, 0 },
                { parse_size, "50%", -EINVAL, 0 },
                { parse_size, "", -EINVAL, 0 },
                { parse_size, "1.00000000000K", -EINVAL, 0 },
        };

        check_rows(rows, ARRAY_LEN(rows));
}

static void cpus_are_per_mille_of_one(void **state _unused_) {
        static const Row rows[] = {
                { parse_cpus, "1", 0, 1000 },         { parse_cpus, "1.5", 0, 1500 },
                { parse_cpus, "0.25", 0, 250 },       { parse_cpus, "0.01", 0, 10 },
                { parse_cpus, "64", 0, 64000 },       { parse_cpus, "0.009", -ERANGE, 0 },
                { parse_cpus, "0", -ERANGE, 0 },      { parse_cpus, "", -EINVAL, 0 },
                { parse_cpus, "150%", -EINVAL, 0 },   { parse_cpus, "-1", -EINVAL, 0 },
                { parse_cpus, "1,5", -EINVAL, 0 },    { parse_cpus, "all", -EINVAL, 0 },
                { parse_cpus, "100001", -ERANGE, 0 }, { parse_cpus, "18446744073709551615", -ERANGE, 0 },
        };

        check_rows(rows, ARRAY_LEN(rows));
}

static void time_spans_are_those_of_systemd(void **state _unused_) {
        static const Row rows[] = {
                { parse_timespan, "90", 0, 90000000 },
                { parse_timespan, "5min 20s", 0, 320000000 },
                { parse_timespan, "5min20s", 0, 320000000 },
                { parse_timespan, "1.5h", 0, 5400000000 },
                { parse_timespan, "2 hours", 0, 7200000000 },
                { parse_timespan, "1d", 0, 86400000000 },
                { parse_timespan, "300ms", 0, 300000 },
                { parse_timespan, "7us", 0, 7 },
                { parse_timespan, "1M", 0, 2629800000000 },
                { parse_timespan, "1m", 0, 60000000 },
                { parse_timespan, "infinity", 0, UINT64_MAX },
                { parse_timespan, "0", 0, 0 },
                { parse_timespan, "", -EINVAL, 0 },
                { parse_timespan, "5 parsecs", -EINVAL, 0 },
                { parse_timespan, "soon", -EINVAL, 0 },
                { parse_timespan, "-5", -EINVAL, 0 },
                { parse_timespan, "5s x", -EINVAL, 0 },
                { parse_timespan, "s", -EINVAL, 0 },
                { parse_timespan, "1..5s", -EINVAL, 0 },
                { parse_timespan, "5 6", -EINVAL, 0 },
                { parse_timespan, "99999999999999999y", -ERANGE, 0 },
                { parse_timespan, "Infinity", -EINVAL, 0 },
        };

        check_rows(rows, ARRAY_LEN(rows));
}

static void id_ranges_are_three_numbers(void **state _unused_) {
        static const struct {
                const char *text;
                int error;
                bool users, groups;
                uint32_t host, container, count;
        } rows[] = {
                { "0:1000:1", 0, true, true, 0, 1000, 1 },
                { "b:0:0:65536", 0, true, true, 0, 0, 65536 },
                { "u:5:6:7", 0, true, false, 5, 6, 7 },
                { "g:5:6:7", 0, false, true, 5, 6, 7 },
                { "0:0:4294967295", 0, true, true, 0, 0, UINT32_MAX },
                { "1:0:4294967295", -ERANGE, 0, 0, 0, 0, 0 },
                { "0:4294967295:1", -ERANGE, 0, 0, 0, 0, 0 },
                { "0:0:0", -EINVAL, 0, 0, 0, 0, 0 },
                { "0:0", -EINVAL, 0, 0, 0, 0, 0 },
                { "0:0:1:", -EINVAL, 0, 0, 0, 0, 0 },
                { "0:0:1 ", -EINVAL, 0, 0, 0, 0, 0 },
                { "x:0:0:1", -EINVAL, 0, 0, 0, 0, 0 },
                { "-1:0:1", -EINVAL, 0, 0, 0, 0, 0 },
                { "", -EINVAL, 0, 0, 0, 0, 0 },
                { "auto", -EINVAL, 0, 0, 0, 0, 0 },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                IdRange range = { .host = UNTOUCHED };

                ROW(i, rows[i].text, parse_id_range(rows[i].text, &range) == rows[i].error);
                if (rows[i].error < 0) {
                        ROW(i, rows[i].text, range.host == UNTOUCHED);
                        continue;
                }
                ROW(i, rows[i].text, range.users == rows[i].users && range.groups == rows[i].groups);
                ROW(i, rows[i].text, range.host == rows[i].host && range.container == rows[i].container);
                ROW(i, rows[i].text, range.count == rows[i].count);
        }
}

static void ranges_overlap_on_either_side(void **state _unused_) {
        static const struct {
                const char *a, *b;
                bool overlap;
        } rows[] = {
                { "0:0:10", "10:10:10", false },   { "0:0:10", "9:100:10", true },
                { "0:0:10", "100:9:10", true },    { "u:0:0:10", "g:0:0:10", false },
                { "u:0:0:10", "b:0:100:1", true }, { "0:0:4294967295", "4294967294:0:1", true },
                { "5:5:1", "5:6:1", true },        { "5:5:1", "6:6:1", false },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                IdRange a, b;

                assert_int_equal(parse_id_range(rows[i].a, &a), 0);
                assert_int_equal(parse_id_range(rows[i].b, &b), 0);
                ROW(i, rows[i].a, id_range_overlap(&a, &b) == rows[i].overlap);
                ROW(i, rows[i].a, id_range_overlap(&b, &a) == rows[i].overlap);
        }
}

static void owners(void **state) {
        uint32_t uid = 7, gid = 7;

        (void) state;
        assert_int_equal(parse_owner("1000", &uid, &gid), 0);
        assert_true(uid == 1000 && gid == 1000);
        assert_int_equal(parse_owner("0:4294967294", &uid, &gid), 0);
        assert_true(uid == 0 && gid == UINT32_MAX - 1);
        assert_int_equal(parse_owner("1:4294967295", &uid, &gid), -ERANGE);
        assert_int_equal(parse_owner("root", &uid, &gid), -EINVAL);
        assert_int_equal(parse_owner("1:", &uid, &gid), -EINVAL);
        assert_int_equal(parse_owner(":1", &uid, &gid), -EINVAL);
        assert_int_equal(parse_owner("1:2:3", &uid, &gid), -EINVAL);
        assert_true(uid == 0 && gid == UINT32_MAX - 1);
}

RUN(TEST(owners), TEST(only_the_eight_words_are_booleans), TEST(numbers_are_digits_and_nothing_else),
    TEST(sizes_are_bytes_with_suffixes_of_1024), TEST(cpus_are_per_mille_of_one),
    TEST(time_spans_are_those_of_systemd), TEST(id_ranges_are_three_numbers),
    TEST(ranges_overlap_on_either_side))
