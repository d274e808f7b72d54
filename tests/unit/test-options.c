/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>

#include "common/strv.h"
#include "helper/verbs/options.h"
#include "helper/verbs/verbs.h"

enum { USER, TTY, SIZE, TREE, JSON, SET };

static const Option table[] = {
        [USER] = { "user", 'u', "USER", "A user" },
        [TTY] = { "tty", 't', NULL, "A terminal" },
        [SIZE] = { "tty-size", 0, "SIZE", "A size" },
        [TREE] = { "tree", 'T', NULL, "A tree" },
        [JSON] = { "json", 0, "[=stream]", "An object" },
        [SET] = { "set", 0, "[SECTION.]KEY=VALUE", "A key" },
        {},
};

/* What is read, as one line: "0=bob 1 word [rest rest]", or "!" where it is refused. */
static char *read_all(OptionParser parser, char *argv[]) {
        char *line = NULL;
        size_t size;
        FILE *f = open_memstream(&line, &size);
        const char *value;
        int r;

        parser.options = table;
        parser.argv = argv;
        assert_non_null(f);
        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r < 0) {
                        fputs("! ", f);
                        break;
                }
                if (r == OPTIONS_HELP)
                        fputs("help ", f);
                else if (r == OPTIONS_OPERAND)
                        fprintf(f, "%s ", value);
                else
                        fprintf(f, value ? "%d=%s " : "%d ", r, value);
        }
        if (r == OPTIONS_END) {
                fputs(parser.separator ? "[--" : "[", f);
                for (char **word = parser.rest; *word; word++)
                        fprintf(f, " %s", *word);
                fputs("]", f);
                /* The end stays the end. */
                assert_int_equal(options_next(&parser, &value), OPTIONS_END);
        }
        fclose(f);
        return line;
}

static void check(size_t i, OptionParser parser, const char *words, const char *expected) {
        _cleanup_strv_ char **argv = NULL;
        _cleanup_free_ char *copy = strdup(words), *line = NULL;
        char *rest = copy, *word;

        assert_int_equal(strv_append(&argv, "verb"), 0);
        while ((word = strsep(&rest, " ")))
                assert_int_equal(strv_append(&argv, streq(word, "''") ? "" : word), 0);
        line = read_all(parser, argv);
        if (!streq(line, expected))
                fail_msg("row %zu (%s): %s instead of %s", i, words, line, expected);
}

static void options_and_words_mix_where_there_is_no_command(void **state _unused_) {
        static const struct {
                const char *words, *expected;
        } rows[] = {
                { "a", "a []" },
                { "-t a --user=b c", "1 a 0=b c []" },
                { "--user b", "0=b []" },
                { "--user=", "0= []" },
                { "--user ''", "0= []" },
                { "--user --tty", "0=--tty []" }, /* a value is a value */
                { "-u b -ub -tu b -tub", "0=b 0=b 1 0=b 1 0=b []" },
                { "-tT", "1 3 []" },
                { "--tty --tty-size=1 --tree", "1 2=1 3 []" },
                { "-- -t --user", "-t --user [--]" },
                { "a -- -- b", "a -- b [--]" },
                { "-", "- []" },
                { "--help", "help []" },
                { "-h", "help []" },
                { "-th", "1 help []" },
                { "''", " []" },
                { "--json a", "4 a []" },
                { "--json=stream a", "4=stream a []" },
                { "--set a=b", "5=a=b []" }, /* what may be left out is a part of the value */
                { "--set=a=b", "5=a=b []" },
                { "--set", "! " },
                { "--use=b", "! " }, /* never abbreviated */
                { "--tty=yes", "! " },
                { "--tty=", "! " },
                { "--user", "! " },
                { "-u", "! " },
                { "-x", "! " },
                { "-tx", "1 ! " },
                { "--", "[--]" },
                { "--=x", "! " },
                { "--Tty", "! " },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                check(i, (OptionParser){}, rows[i].words, rows[i].expected);
}

static void a_command_ends_the_options(void **state _unused_) {
        static const struct {
                const char *words, *expected;
        } rows[] = {
                { "web ls -t", "web [ ls -t]" },
                { "-t web --user=b ls --user=c", "1 web 0=b [ ls --user=c]" },
                { "web -- ls -- x", "web [-- ls -- x]" },
                { "web -- -t", "web [-- -t]" },
                { "web --", "web [--]" },
                { "web", "web []" },
                { "-- web ls -t", "web [-- ls -t]" },
                { "-- web -- ls", "web [-- ls]" },
                { "web -", "web [ -]" },
                { "web -x", "web ! " },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                check(i, (OptionParser){ .command = true, .operands = 1 }, rows[i].words, rows[i].expected);
        check(0, (OptionParser){ .command = true }, "--user=b -- ls", "0=b [-- ls]");
        check(1, (OptionParser){ .command = true }, "ls -t", "[ ls -t]");
        check(2, (OptionParser){ .command = true }, "--user=b --", "0=b [--]");
}

static void an_empty_argv_is_survived(void **state _unused_) {
        char *none[] = { NULL };
        _cleanup_free_ char *line = read_all((OptionParser){}, none);

        assert_string_equal(line, "[]");
}

static void a_typo_gets_a_suggestion(void **state _unused_) {
        static const struct {
                const char *word, *nearest;
        } rows[] = {
                { "usr", "user" }, { "users", "user" }, { "ttysize", "tty-size" }, { "tyt", "tty" },
                { "xyz", NULL },   { "", NULL },        { "frobnicate", NULL },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const char *nearest = options_nearest(rows[i].word, table, 4, sizeof(Option));

                ROW(i, rows[i].word,
                    rows[i].nearest ? nearest && streq(nearest, rows[i].nearest) : !nearest);
        }
}

/* The tables themselves: no name twice in a verb, no row forgotten between the others, help for all. */
static void tables_are_sound(void **state _unused_) {
        for (const Verb *verb = verbs; verb->name; verb++) {
                assert_ptr_equal(verb_find(verb->name), verb);
                assert_non_null(verb->help);
                assert_non_null(verb->synopsis);
                for (const Option *a = verb->options; a && a->name; a++) {
                        assert_non_null(a->help);
                        for (const Option *b = verb->options; b < a; b++) {
                                assert_string_not_equal(a->name, b->name);
                                assert_true(a->letter == 0 || a->letter != b->letter);
                        }
                        assert_true(!verb->subverbs || a - verb->options < SUBVERB_OPTIONS_MAX);
                }
                for (const Subverb *a = verb->subverbs; a && a->name; a++) {
                        assert_non_null(a->operands);
                        assert_non_null(a->help);
                        for (const Subverb *b = verb->subverbs; b < a; b++)
                                assert_string_not_equal(a->name, b->name);
                }
        }
        assert_null(launch_options[_LAUNCH_MAX].name);
        assert_null(exec_options[_EXEC_MAX].name);
        for (size_t i = 0; i < _LAUNCH_MAX; i++)
                assert_non_null(launch_options[i].name);
        for (size_t i = 0; i < _EXEC_MAX; i++)
                assert_non_null(exec_options[i].name);
        assert_null(verb_find("no-such-verb"));
}

RUN(TEST(options_and_words_mix_where_there_is_no_command), TEST(a_command_ends_the_options),
    TEST(an_empty_argv_is_survived), TEST(a_typo_gets_a_suggestion), TEST(tables_are_sound))
