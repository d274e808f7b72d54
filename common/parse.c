/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/parse.h"

#include <ctype.h>
#include <strings.h>

int parse_bool(const char *s, bool *ret) {
        static const struct {
                const char *word;
                bool value;
        } words[] = {
                { "yes", true }, { "no", false },  { "true", true }, { "false", false },
                { "on", true },  { "off", false }, { "1", true },    { "0", false },
        };

        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (streq(s, words[i].word)) {
                        *ret = words[i].value;
                        return 0;
                }
        return -EINVAL;
}

/* Reads digits at *s, moves *s behind them. */
static int take_digits(const char **s, uint64_t *ret) {
        uint64_t v = 0;
        const char *p = *s;

        if (!isdigit((unsigned char) *p))
                return -EINVAL;
        for (; isdigit((unsigned char) *p); p++)
                if (__builtin_mul_overflow(v, (uint64_t) 10, &v) ||
                    __builtin_add_overflow(v, (uint64_t) (*p - '0'), &v))
                        return -ERANGE;
        *s = p;
        *ret = v;
        return 0;
}

typedef unsigned __int128 Wide;

/* Reads DIGITS[.DIGITS] at *s times scale, the fraction cut down to whole units. At most 9 fraction digits. */
static int take_scaled(const char **s, uint64_t scale, uint64_t *ret) {
        uint64_t whole, fraction = 0, unit = 1;
        const char *p = *s;
        int r;

        r = take_digits(&p, &whole);
        if (r < 0)
                return r;
        if (__builtin_mul_overflow(whole, scale, &whole))
                return -ERANGE;
        if (*p == '.') {
                p++;
                if (!isdigit((unsigned char) *p))
                        return -EINVAL;
                for (; isdigit((unsigned char) *p); p++) {
                        if (unit >= 1000000000U)
                                return -EINVAL;
                        unit *= 10;
                        fraction = fraction * 10 + (uint64_t) (*p - '0');
                }
                /* 128 bits: a fraction below 10^9 times a scale up to a year of microseconds or 2^40 */
                fraction = (uint64_t) ((Wide) fraction * scale / unit);
                if (__builtin_add_overflow(whole, fraction, &whole))
                        return -ERANGE;
        }
        *s = p;
        *ret = whole;
        return 0;
}

int parse_uint64(const char *s, uint64_t *ret) {
        uint64_t v;
        int r;

        r = take_digits(&s, &v);
        if (r < 0)
                return r;
        if (*s != '\0')
                return -EINVAL;
        *ret = v;
        return 0;
}

int parse_uint32(const char *s, uint32_t *ret) {
        uint64_t v;
        int r;

        r = parse_uint64(s, &v);
        if (r < 0)
                return r;
        if (v > UINT32_MAX)
                return -ERANGE;
        *ret = (uint32_t) v;
        return 0;
}

int parse_id(const char *s, uint32_t *ret) {
        uint32_t v;
        int r;

        r = parse_uint32(s, &v);
        if (r < 0)
                return r;
        if (v == UINT32_MAX)
                return -ERANGE;
        *ret = v;
        return 0;
}

int parse_owner(const char *s, uint32_t *ret_uid, uint32_t *ret_gid) {
        _cleanup_free_ char *user = strndup(s, strcspn(s, ":"));
        const char *colon = strchr(s, ':');
        uint32_t uid, gid;
        int r;

        if (!user)
                return -ENOMEM;
        r = parse_id(user, &uid);
        if (r >= 0)
                r = parse_id(colon ? colon + 1 : user, &gid);
        if (r < 0)
                return r;
        *ret_uid = uid;
        *ret_gid = gid;
        return 0;
}

typedef struct Unit {
        char suffix; /* 0 ends the list */
        uint64_t scale;
} Unit;

static int parse_scaled(const char *s, const Unit units[], uint64_t *ret) {
        size_t n = strlen(s);
        uint64_t v;
        int r;

        for (; n > 0 && units->suffix; units++)
                if (s[n - 1] == units->suffix) {
                        r = take_scaled(&s, units->scale, &v);
                        if (r < 0)
                                return r;
                        if (s[0] != units->suffix || s[1] != '\0')
                                return -EINVAL;
                        *ret = v;
                        return 0;
                }
        return parse_uint64(s, ret);
}

int parse_size(const char *s, uint64_t *ret) {
        static const Unit units[] = {
                { 'K', 1ULL << 10 }, { 'M', 1ULL << 20 }, { 'G', 1ULL << 30 }, { 'T', 1ULL << 40 }, {}
        };

        return parse_scaled(s, units, ret);
}

int parse_rate(const char *s, uint64_t *ret) {
        static const Unit units[] = { { 'K', 1000 }, { 'M', 1000000 }, { 'G', 1000000000 }, {} };

        return parse_scaled(s, units, ret);
}

int parse_mode(const char *s, mode_t *ret) {
        mode_t v = 0;

        if (strlen(s) < 3 || strlen(s) > 4 || strspn(s, "01234567") != strlen(s))
                return -EINVAL;
        for (; *s; s++)
                v = v * 8 + (mode_t) (*s - '0');
        if (v > 0777)
                return -ERANGE;
        *ret = v;
        return 0;
}

int parse_cpus(const char *s, uint64_t *ret_per_mille) {
        uint64_t v;
        int r;

        r = take_scaled(&s, 1000, &v);
        if (r < 0)
                return r;
        if (*s != '\0')
                return -EINVAL;
        if (v < 10 || v > 100000000)
                return -ERANGE;
        *ret_per_mille = v;
        return 0;
}

/* One row per unit of systemd.time(7), "PARSING TIME SPANS". */
static int take_time_unit(const char **s, uint64_t *ret) {
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                { "usec", 1 },
                { "us", 1 },
                { "µs", 1 },
                { "msec", 1000 },
                { "ms", 1000 },
                { "seconds", 1000000 },
                { "second", 1000000 },
                { "sec", 1000000 },
                { "s", 1000000 },
                { "minutes", 60000000 },
                { "minute", 60000000 },
                { "min", 60000000 },
                { "months", 2629800000000 },
                { "month", 2629800000000 },
                { "M", 2629800000000 },
                { "m", 60000000 },
                { "hours", 3600000000 },
                { "hour", 3600000000 },
                { "hr", 3600000000 },
                { "h", 3600000000 },
                { "days", 86400000000 },
                { "day", 86400000000 },
                { "d", 86400000000 },
                { "weeks", 604800000000 },
                { "week", 604800000000 },
                { "w", 604800000000 },
                { "years", 31557600000000 },
                { "year", 31557600000000 },
                { "y", 31557600000000 },
        };

        for (size_t i = 0; i < ARRAY_LEN(units); i++) {
                const char *rest = startswith(*s, units[i].name);

                if (rest && !isalpha((unsigned char) *rest)) {
                        *s = rest;
                        *ret = units[i].usec;
                        return 0;
                }
        }
        if (**s != '\0' && **s != ' ' && !isdigit((unsigned char) **s))
                return -EINVAL;
        *ret = 1000000;
        return 0;
}

int parse_timespan(const char *s, uint64_t *ret_usec) {
        uint64_t total = 0;
        int r;

        if (streq(s, "infinity")) {
                *ret_usec = UINT64_MAX;
                return 0;
        }
        do {
                const char *number = s, *unit;
                uint64_t scale, v;

                while (isdigit((unsigned char) *s) || *s == '.')
                        s++;
                s += strspn(s, " ");
                unit = s;
                r = take_time_unit(&s, &scale);
                if (r < 0)
                        return r;
                r = take_scaled(&number, scale, &v);
                if (r < 0)
                        return r;
                /* "5 6" would be two bare numbers; "1..5" leaves bytes that take_scaled() did not want */
                number += strspn(number, " ");
                if (number != unit || (unit == s && *s != '\0'))
                        return -EINVAL;
                if (__builtin_add_overflow(total, v, &total) || total == UINT64_MAX)
                        return -ERANGE;
                s += strspn(s, " ");
        } while (*s != '\0');
        *ret_usec = total;
        return 0;
}

int parse_id_range(const char *s, IdRange *ret) {
        IdRange range = { .users = true, .groups = true };
        uint64_t v[3];
        int r;

        if (startswith(s, "u:") || startswith(s, "g:") || startswith(s, "b:")) {
                range.users = s[0] != 'g';
                range.groups = s[0] != 'u';
                s += 2;
        }
        for (size_t i = 0; i < ARRAY_LEN(v); i++) {
                r = take_digits(&s, &v[i]);
                if (r < 0)
                        return r;
                if (*s++ != (i < 2 ? ':' : '\0'))
                        return -EINVAL;
        }
        if (v[2] == 0)
                return -EINVAL;
        for (size_t i = 0; i < 2; i++)
                if (v[i] >= UINT32_MAX || v[2] > UINT32_MAX || v[i] + v[2] > UINT32_MAX)
                        return -ERANGE;
        range.host = (uint32_t) v[0];
        range.container = (uint32_t) v[1];
        range.count = (uint32_t) v[2];
        *ret = range;
        return 0;
}

bool id_range_overlap(const IdRange *a, const IdRange *b) {
        if (!(a->users && b->users) && !(a->groups && b->groups))
                return false;
        return (a->host < (uint64_t) b->host + b->count && b->host < (uint64_t) a->host + a->count) ||
               (a->container < (uint64_t) b->container + b->count &&
                b->container < (uint64_t) a->container + a->count);
}
