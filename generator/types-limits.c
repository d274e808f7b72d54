/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/parse.h"
#include "common/strv.h"
#include "generator/diag.h"
#include "generator/types-process.h"
#include "generator/types-words.h"

/* Those of types-process.h that are numbers: of [Limits], and of Limit*=, which systemd.exec(5) describes. */

static int parse_weight(const char *value, char **ret, char **reterr _unused_) {
        uint64_t v;

        return parse_uint64(value, &v) < 0 || v < 1 || v > 10000 ? -EINVAL : type_keep_number(v, ret);
}

/* "[PATH] RATE": without a path, of what the containers' own data are on. */
static int parse_io_rate(const char *value, char **ret, char **reterr) {
        static const char plain[] =
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+:@,=%";
        _cleanup_strv_ char **words = NULL;
        const char *path = "/var/lib/berth";
        size_t n;
        uint64_t v;
        int r;

        r = type_split(value, &words, reterr);
        if (r < 0)
                return r;
        n = strv_length(words);
        if (n < 1 || n > 2 || parse_size(words[n - 1], &v) < 0 || v == 0 || v > (uint64_t) INT64_MAX)
                return -EINVAL;
        if (n == 2) {
                path = words[0];
                r = type_check_path(path, reterr);
                if (r < 0)
                        return r;
                if (strspn(path, plain) != strlen(path))
                        return type_complain(reterr, "'%s' holds characters that systemd cannot have there",
                                             DIAG_CLIP(path));
        }
        return asprintf(ret, "%s %llu", path, (unsigned long long) v) < 0 ? -ENOMEM : 0;
}

/* Reads one side of a limit; "infinity" is UINT64_MAX. */
typedef int (*LimitSide)(const char *s, uint64_t *ret);

static int side_size(const char *s, uint64_t *ret) {
        return parse_size(s, ret);
}

static int side_count(const char *s, uint64_t *ret) {
        return parse_uint64(s, ret);
}

static int side_seconds(const char *s, uint64_t *ret) {
        uint64_t v;
        int r = parse_timespan(s, &v);

        if (r >= 0)
                *ret = v / 1000000 + (v % 1000000 > 0);
        return r;
}

static int side_usec(const char *s, uint64_t *ret) {
        /* systemd.exec(5): a number without unit is microseconds here */
        return s[strspn(s, "0123456789")] == '\0' ? parse_uint64(s, ret) : parse_timespan(s, ret);
}

/* setrlimit(2): 20 - nice; "+5" and "-5" are nice values, a plain number is the limit itself. */
static int side_nice(const char *s, uint64_t *ret) {
        bool negative = s[0] == '-', nice = negative || s[0] == '+';
        uint64_t v;
        int r = parse_uint64(s + nice, &v);

        if (r < 0)
                return r;
        if (v > (nice ? (negative ? 20U : 19U) : 40U))
                return -ERANGE;
        *ret = !nice ? v : negative ? 20 + v : 20 - v;
        return 0;
}

static int parse_side(const char *s, LimitSide side, uint64_t *ret) {
        if (streq(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        return side(s, ret) < 0 || *ret == UINT64_MAX ? -EINVAL : 0;
}

static void format_side(uint64_t v, char ret[static 32]) {
        if (v == UINT64_MAX)
                snprintf(ret, 32, "infinity");
        else
                snprintf(ret, 32, "%llu", (unsigned long long) v);
}

static int parse_limit(const char *value, LimitSide side, char **ret, char **reterr) {
        size_t n = strcspn(value, ":");
        _cleanup_free_ char *first = strndup(value, n);
        char texts[2][32];
        uint64_t soft, hard;

        if (!first)
                return -ENOMEM;
        if (parse_side(first, side, &soft) < 0)
                return -EINVAL;
        hard = soft;
        if (value[n] == ':' && parse_side(value + n + 1, side, &hard) < 0)
                return -EINVAL;
        if (soft > hard)
                return type_complain(reterr, "'%s' has a soft limit above its hard one", DIAG_CLIP(value));
        format_side(soft, texts[0]);
        format_side(hard, texts[1]);
        if (soft == hard)
                return type_keep(texts[0], ret);
        return asprintf(ret, "%s:%s", texts[0], texts[1]) < 0 ? -ENOMEM : 0;
}

static int parse_limit_size(const char *value, char **ret, char **reterr) {
        return parse_limit(value, side_size, ret, reterr);
}

static int parse_limit_count(const char *value, char **ret, char **reterr) {
        return parse_limit(value, side_count, ret, reterr);
}

static int parse_limit_seconds(const char *value, char **ret, char **reterr) {
        return parse_limit(value, side_seconds, ret, reterr);
}

static int parse_limit_usec(const char *value, char **ret, char **reterr) {
        return parse_limit(value, side_usec, ret, reterr);
}

static int parse_limit_nice(const char *value, char **ret, char **reterr) {
        return parse_limit(value, side_nice, ret, reterr);
}

/* clang-format off */
const Type type_weight = { "a number from 1 to 10000", parse_weight };
const Type type_io_rate = { "[PATH] BYTES, such as 10M or /srv 10M (bytes a second above 0)", parse_io_rate };
const Type type_limit_size = { "bytes, or with K, M, G or T (of 1024), or infinity; SOFT:HARD for two", parse_limit_size };
const Type type_limit_count = { "a number or infinity; SOFT:HARD for two", parse_limit_count };
const Type type_limit_seconds = { "a time such as 90 or 5min, or infinity; SOFT:HARD for two", parse_limit_seconds };
const Type type_limit_usec = { "a time such as 100ms, or infinity; SOFT:HARD for two", parse_limit_usec };
const Type type_limit_nice = { "a nice value from -20 to +19, or a limit from 0 to 40; SOFT:HARD for two", parse_limit_nice };
/* clang-format on */
