/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/types-health.h"

#include <stdio.h>

#include "common/parse.h"

#define INTERVAL_MIN UINT64_C(100000)
#define YEAR         (UINT64_C(366) * 24 * 3600 * 1000000)

static int parse_at_least(const char *value, uint64_t least, char **ret) {
        uint64_t v;

        if (parse_timespan(value, &v) < 0 || v < least || v > YEAR)
                return -EINVAL;
        return asprintf(ret, "%llu", (unsigned long long) v) < 0 ? -ENOMEM : 0;
}

static int parse_interval(const char *value, char **ret, char **reterr _unused_) {
        return parse_at_least(value, INTERVAL_MIN, ret);
}

static int parse_start_period(const char *value, char **ret, char **reterr _unused_) {
        return parse_at_least(value, 0, ret);
}

static int parse_action(const char *value, char **ret, char **reterr _unused_) {
        static const char *const words[] = { "none", "restart", "stop" };

        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (streq(value, words[i])) {
                        *ret = strdup(value);
                        return *ret ? 0 : -ENOMEM;
                }
        return -EINVAL;
}

/* clang-format off */
const Type type_interval = { "a time from 100ms to a year, such as 30s (systemd.time(7))", parse_interval };
const Type type_start_period = { "a time of at most a year, such as 2min (systemd.time(7))", parse_start_period };
const Type type_health_action = { "none, restart or stop", parse_action };
/* clang-format on */
