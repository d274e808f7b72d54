/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "helper/launch/machine-id.h"

#define HOST  "0123456789abcdef0123456789abcdef"
#define OTHER "0123456789abcdef0123456789abcdee"

/* Computed with another implementation of SipHash-2-4. */
#define WEB "1efa4f4a59ac404a87cb18d55e90d335"

static void it_is_stable_and_of_one_name_and_one_host(void **state _unused_) {
        char id[MACHINE_ID_SIZE], again[MACHINE_ID_SIZE];

        assert_int_equal(machine_id_make(HOST "\n", "web", id), 0);
        assert_string_equal(id, WEB "\n");
        assert_int_equal(machine_id_make(HOST, "web", again), 0);
        assert_string_equal(id, again);
        assert_int_equal(machine_id_make(HOST, "wec", again), 0);
        assert_string_not_equal(id, again);
        assert_int_equal(machine_id_make(OTHER, "web", again), 0);
        assert_string_not_equal(id, again);
        assert_int_equal(strlen(id), 33);
        assert_int_equal(strspn(id, "0123456789abcdef"), 32);
        assert_int_equal(id[12], '4');
        assert_non_null(strchr("89ab", id[16]));
}

static void what_is_no_id_gives_none(void **state _unused_) {
        static const char *const rows[] = { "",
                                            "\n",
                                            "uninitialized\n",
                                            HOST "0",
                                            HOST "\n\n",
                                            HOST " ",
                                            "0123456789ABCDEF0123456789ABCDEF",
                                            (" " HOST) };
        char id[MACHINE_ID_SIZE];

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                ROW(i, rows[i], machine_id_make(rows[i], "web", id) == -EINVAL);
}

RUN(TEST(it_is_stable_and_of_one_name_and_one_host), TEST(what_is_no_id_gives_none))
