/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/compare.h"

#include "common/strv.h"
#include "tests/unit/check.h"

static char *compare(const char *a, const char *b) {
        _cleanup_strv_ char **old = NULL, **new = NULL;
        Text t = { 0 };
        char *ret;

        assert_int_equal(compare_split(a, &old), 0);
        assert_int_equal(compare_split(b, &new), 0);
        assert_int_equal(compare_lines(&t, old, new), 0);
        assert_int_equal(text_take(&t, &ret, NULL), 0);
        return ret;
}

static void hunks_are_those_of_diff(void **state _unused_) {
        static const struct {
                const char *a, *b, *hunks;
        } rows[] = {
                { "", "", "" },
                { "a\nb\n", "a\nb\n", "" },
                { "a\nb\n", "a\nb", "" }, /* the last end of line is no line */
                { "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n" },
                { "a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n" },
                { "a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n" },
                { "1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\n6\n7\n", "@@ -4,3 +4,4 @@\n 4\n 5\n 6\n+7\n" },
                { "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\ny\n",
                  "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n" },
                /* six lines between two changes are shown as one hunk */
                { "1\n2\n3\n4\n5\n6\n7\n8\n", "x\n2\n3\n4\n5\n6\n7\ny\n",
                  "@@ -1,8 +1,8 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n" },
                { "a\nb\nc\n", "c\na\nb\n", "@@ -1,3 +1,3 @@\n+c\n a\n b\n-c\n" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *hunks = compare(rows[i].a, rows[i].b);

                ROW(i, hunks, streq(hunks, rows[i].hunks));
        }
}

static void what_is_too_large_to_search_is_replaced_whole(void **state _unused_) {
        _cleanup_free_ char *a = NULL, *b = NULL, *hunks = NULL;
        Text old = { 0 }, new = { 0 };

        for (int i = 0; i < 5000; i++) {
                text_addf(&old, "a%d\n", i);
                text_addf(&new, "%s%d\n", i % 2 ? "a" : "b", i);
        }
        assert_int_equal(text_take(&old, &a, NULL), 0);
        assert_int_equal(text_take(&new, &b, NULL), 0);
        hunks = compare(a, b);
        assert_non_null(startswith(hunks, "@@ -1,5000 +1,5000 @@\n-a0\n-a1\n"));
}

RUN(TEST(hunks_are_those_of_diff), TEST(what_is_too_large_to_search_is_replaced_whole))
