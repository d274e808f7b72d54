/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "generator/lines.h"
#include "generator/text.h"

/* Reads bytes and writes what came out as one string: "[Name]@LINE " and "key=value@LINE:COL " and
 * "!LINE:COL message ". */
static char *read_all(const char *bytes, size_t n) {
        _cleanup_free_ char *copy = malloc(n + 1);
        Diags diags = { 0 };
        Text out = { 0 };
        Lines lines;
        Line line;
        char *ret;

        assert_non_null(copy);
        memcpy(copy, bytes, n);
        copy[n] = '\0';
        lines_open(&lines, copy, n);
        for (lines_next(&lines, &line, &diags); line.kind != LINE_END; lines_next(&lines, &line, &diags))
                if (line.kind == LINE_SECTION)
                        text_addf(&out, "[%s]@%u ", line.key, line.line);
                else
                        text_addf(&out, "%s=%s@%u:%u ", line.key, line.value, line.line, line.value_column);
        for (size_t i = 0; i < diags.n; i++)
                text_addf(&out, "!%u:%u %.24s ", diags.list[i].line, diags.list[i].column,
                          diags.list[i].message);
        diags_done(&diags);
        assert_int_equal(text_take(&out, &ret, NULL), 0);
        return ret;
}

typedef struct Row {
        const char *in, *out;
} Row;

static void check_rows(const Row *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *out = read_all(rows[i].in, strlen(rows[i].in));

                assert_string_equal(out, rows[i].out);
        }
}

static void sections_and_settings_are_found_with_their_places(void **state _unused_) {
        static const Row rows[] = {
                { "", "" },
                { "\n\n", "" },
                { "[A]\nk=v\n", "[A]@1 k=v@2:3 " },
                { "[A]\nk=v", "[A]@1 k=v@2:3 " },
                { " [ A b ] \n  k = v w \t\n", "[A b]@1 k=v w@2:7 " },
                { "k=", "k=@1:3 " },
                { "k==a=b", "k==a=b@1:3 " },
                { "k=a;b#c \"d\" 'e", "k=a;b#c \"d\" 'e@1:3 " },
                { "\xef\xbb\xbf[A]\nk=v", "[A]@1 k=v@2:3 " },
                { "[A]\r\nk=v\r\n\r\n", "[A]@1 k=v@2:3 " },
        };

        check_rows(rows, ARRAY_LEN(rows));
}

static void comments_stand_at_the_start_of_a_line_only(void **state _unused_) {
        static const Row rows[] = {
                { "# a\n; b\n  # c\nk=v # d\n", "k=v # d@4:3 " },
                { "# ends in \\\nk=v\n", "k=v@2:3 " },
                { "#[A]\n#", "" },
        };

        check_rows(rows, ARRAY_LEN(rows));
}

static void a_backslash_continues(void **state _unused_) {
        static const Row rows[] = {
                { "k=a\\\nb\nl=c", "k=a b@1:3 l=c@3:3 " },
                { "k=a \\\n   b \\\r\n\tc\nl=c", "k=a  b  c@1:3 l=c@4:3 " },
                { "k=a\\\n# no\n ; no\nb\nl=d", "k=a b@1:3 l=d@5:3 " },
                { "k=a\\\n\nl=c", "k=a@1:3 l=c@3:3 " },
                { "k=a\\\n[B]\nl=c", "k=a [B]@1:3 l=c@3:3 " },
                { "k=a\\\\\nl=c", "k=a\\\\@1:3 l=c@2:3 " },
                { "k=a\\\\\\\nb", "k=a\\\\ b@1:3 " },
                { "k=a\\ \nl=c", "k=a\\@1:3 l=c@2:3 " },
                { "k\\\n=v", "k=v@1:1 " },
        };

        check_rows(rows, ARRAY_LEN(rows));
}

static void what_is_no_setting_is_told_and_skipped(void **state _unused_) {
        static const Row rows[] = {
                { "k=v\nnonsense\nl=w", "k=v@1:3 l=w@3:3 !2:1 'nonsense' is no setting " },
                { "  =v\nl=w", "l=w@2:3 !1:3 '=v' is no setting; writ " },
                { "[A\nl=w", "[]@1 l=w@2:3 !1:1 '[A' is no section; writ " },
                { "[]\nl=w", "[]@1 l=w@2:3 !1:1 '[]' is no section; writ " },
                { "[ ]\nl=w", "[]@1 l=w@2:3 !1:1 '[ ]' is no section; wri " },
                { "[A] x\nl=w", "[]@1 l=w@2:3 !1:1 '[A] x' is no section; w " },
                { "[", "[]@1 !1:1 '[' is no section; write " },
                { "k=v\\\n", "!1:1 the file ends in a conti " },
                { "k=v\\", "!1:1 the file ends in a conti " },
        };

        check_rows(rows, ARRAY_LEN(rows));
}

static void what_is_no_text_is_told_and_skipped(void **state _unused_) {
        static const struct {
                const char *in;
                size_t n;
                const char *out;
        } rows[] = {
                { "k=a\0b\nl=w", 9, "l=w@2:3 !1:4 the line holds a NUL byt " },
                { "k=a\\\nb\0c\nl=w", 12, "l=w@3:3 !2:2 the line holds a NUL byt " },
                { "k=\xff\nl=w", 7, "l=w@2:3 !1:3 the line is not valid UT " },
                { "k=\xc0\x80\nl=w", 8, "l=w@2:3 !1:3 the line is not valid UT " },
                { "k=\xed\xa0\x80\nl=w", 9, "l=w@2:3 !1:3 the line is not valid UT " },
                { "# \xff\nl=w", 7, "l=w@2:3 !1:3 the line is not valid UT " },
                { "k=\xe2\x82", 4, "!1:3 the line is not valid UT " },
                /* systemd would read a second line behind a lone carriage return */
                { "k=a\rExecStart=x\nl=w", 19, "l=w@2:3 !1:4 a carriage return stands " },
                { "k=a\r\r\nl=w", 9, "l=w@2:3 !1:4 a carriage return stands " },
                { "\0\0\0\0", 4, "!1:1 the line holds a NUL byt " },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *out = read_all(rows[i].in, rows[i].n);

                assert_string_equal(out, rows[i].out);
        }
}

static void lines_end_at_a_mebibyte(void **state _unused_) {
        size_t n = LINES_LINE_MAX;
        _cleanup_free_ char *bytes = malloc(2 * n + 64), *out = NULL, *told = NULL, *continued = NULL;

        assert_non_null(bytes);
        memset(bytes, 'x', 2 * n + 64);
        bytes[1] = '=';
        bytes[n] = '\n';
        out = read_all(bytes, n + 1); /* as long as may be */
        assert_int_equal(strlen(out), n + strlen("@1:3 "));
        bytes[n] = 'x';
        memcpy(bytes + n + 1, "\nl=w", 4);
        told = read_all(bytes, n + 5);
        assert_string_equal(told, "l=w@2:3 !1:1 the line is longer than  ");
        memset(bytes + n, 'x', n);
        bytes[n - 2] = '\\'; /* two lines, each short enough */
        bytes[n - 1] = '\n';
        memcpy(bytes + n + 40, "\nl=w", 4);
        continued = read_all(bytes, n + 44);
        assert_string_equal(continued, "l=w@3:3 !1:1 the line and its continu ");
}

RUN(TEST(sections_and_settings_are_found_with_their_places),
    TEST(comments_stand_at_the_start_of_a_line_only), TEST(a_backslash_continues),
    TEST(what_is_no_setting_is_told_and_skipped), TEST(what_is_no_text_is_told_and_skipped),
    TEST(lines_end_at_a_mebibyte))
