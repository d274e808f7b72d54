/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/since.h"

#include <time.h>

#include "common/parse.h"

#define USEC_PER_SEC UINT64_C(1000000)

static int subtract(const char *span, uint64_t now_usec, uint64_t *ret) {
        uint64_t usec;

        if (parse_timespan(span, &usec) < 0 || usec > now_usec)
                return -EINVAL;
        *ret = now_usec - usec;
        return 0;
}

static int to_usec(struct tm tm, uint64_t *ret) {
        time_t seconds;

        tm.tm_isdst = -1;
        seconds = mktime(&tm);
        if (seconds < 0)
                return -EINVAL;
        *ret = (uint64_t) seconds * USEC_PER_SEC;
        return 0;
}

int since_parse(const char *s, uint64_t now_usec, uint64_t *ret_usec) {
        static const char *const with_date[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M",
                                                 "%Y-%m-%d" };
        static const char *const of_today[] = { "%H:%M:%S", "%H:%M" };
        time_t now = (time_t) (now_usec / USEC_PER_SEC);
        const char *ago = endswith(s, " ago");
        struct tm today, tm;
        uint64_t seconds;

        if (streq(s, "now")) {
                *ret_usec = now_usec;
                return 0;
        }
        if (s[0] == '@') {
                if (parse_uint64(s + 1, &seconds) < 0 || seconds > UINT64_MAX / USEC_PER_SEC)
                        return -EINVAL;
                *ret_usec = seconds * USEC_PER_SEC;
                return 0;
        }
        if (ago) {
                _cleanup_free_ char *span = strndup(s, (size_t) (ago - s));

                return span ? subtract(span, now_usec, ret_usec) : -ENOMEM;
        }
        if (s[0] == '-')
                return subtract(s + 1, now_usec, ret_usec);
        if (!localtime_r(&now, &today))
                return -EINVAL;
        today.tm_hour = today.tm_min = today.tm_sec = 0;
        if (streq(s, "today"))
                return to_usec(today, ret_usec);
        if (streq(s, "yesterday")) {
                today.tm_mday--; /* mktime(3) makes it a day that there is */
                return to_usec(today, ret_usec);
        }
        for (size_t i = 0; i < ARRAY_LEN(with_date); i++) {
                const char *end;

                tm = (struct tm){};
                end = strptime(s, with_date[i], &tm);
                if (end && *end == '\0')
                        return to_usec(tm, ret_usec);
        }
        for (size_t i = 0; i < ARRAY_LEN(of_today); i++) {
                const char *end;

                tm = today;
                end = strptime(s, of_today[i], &tm);
                if (end && *end == '\0')
                        return to_usec(tm, ret_usec);
        }
        return -EINVAL;
}
