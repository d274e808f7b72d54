/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "common/strv.h"

static void vectors_grow_and_keep_their_order(void **state _unused_) {
        _cleanup_strv_ char **v = NULL, **copy = NULL;

        assert_int_equal(strv_length(NULL), 0);
        assert_false(strv_contains(NULL, "x"));
        for (int i = 0; i < 1000; i++)
                assert_int_equal(strv_appendf(&v, "%d", i), 0);
        assert_int_equal(strv_length(v), 1000);
        assert_null(v[1000]);
        assert_string_equal(v[999], "999");
        assert_true(strv_contains(v, "512"));
        assert_false(strv_contains(v, "1000"));
        assert_int_equal(strv_copy(v, &copy), 0);
        assert_int_equal(strv_length(copy), 1000);
        assert_string_equal(copy[0], "0");
        assert_ptr_not_equal(copy[0], v[0]);
}

static void nothing_is_copied_from_nothing(void **state _unused_) {
        char **copy = (char **) 1;

        assert_int_equal(strv_copy(NULL, &copy), 0);
        assert_null(copy);
        assert_int_equal(strv_consume(&copy, NULL), -ENOMEM);
        assert_null(copy);
        assert_null(strv_free(NULL));
}

static void an_assignment_replaces_that_of_its_name(void **state _unused_) {
        _cleanup_strv_ char **env = NULL;

        assert_null(strv_env_get(NULL, "A"));
        assert_int_equal(strv_env_set(&env, "A=1"), 0);
        assert_int_equal(strv_env_set(&env, "AB=2"), 0);
        assert_int_equal(strv_env_set(&env, "A=3=4"), 0);
        assert_int_equal(strv_env_set(&env, "B="), 0);
        assert_int_equal(strv_length(env), 3);
        assert_string_equal(env[0], "A=3=4");
        assert_string_equal(strv_env_get(env, "A"), "3=4");
        assert_string_equal(strv_env_get(env, "AB"), "2");
        assert_string_equal(strv_env_get(env, "B"), "");
        assert_null(strv_env_get(env, ""));
}

RUN(TEST(vectors_grow_and_keep_their_order), TEST(nothing_is_copied_from_nothing),
    TEST(an_assignment_replaces_that_of_its_name))
