/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every unit test needs: cmocka with the headers it wants first, and no lost assertions. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base.h"

#define RUN(...)                                                   \
        int main(void) {                                           \
                const struct CMUnitTest tests[] = { __VA_ARGS__ }; \
                return cmocka_run_group_tests(tests, NULL, NULL);  \
        }
#define TEST(f) cmocka_unit_test(f)

/* The row of a table that failed, said before it fails. */
#define ROW(i, what, condition)                                                       \
        do {                                                                          \
                if (!(condition))                                                     \
                        fail_msg("row %zu (%s): %s", (size_t) (i), what, #condition); \
        } while (false)
