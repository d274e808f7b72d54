/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "common/contract.h"
#include "common/strv.h"
#include "helper/verbs/subverbs.h"

enum { JSON, TAG, LINES };

static const Option options[] = {
        [JSON] = { "json", 'j', NULL, "As JSON" },
        [TAG] = { "tag", 0, "TAG", "A tag" },
        [LINES] = { "lines", 'n', "N", "How many" },
        {},
};
static const Subverb subverbs[] = {
        { "list", "", "List", SUBVERB_OPTION(JSON), false },
        { "make", "NAME [TAG]", "Make", SUBVERB_OPTION(TAG) | SUBVERB_OPTION(LINES), false },
        { "join", "TO FILE...", "Join", 0, false },
        { "start", "NAME", "Start", SUBVERB_OPTION(TAG), true },
        {},
};
static const Verb verb = {
        "thing", "VERB", "Things", VERB_STORAGE, .options = options, .subverbs = subverbs
};

/* What the function was called with, as one line. */
static char called[256];

static void add(const char *text) {
        assert_true(strlen(called) + strlen(text) < sizeof(called));
        strcat(called, text);
}

static int note(const SubverbCall *call) {
        add(call->subverb->name);
        for (char **word = call->operands; *word; word++) {
                add(" ");
                add(*word);
        }
        for (unsigned i = JSON; i <= LINES; i++)
                for (char *const *value = subverb_values(call, i); value && *value; value++) {
                        add(" ");
                        add(options[i].name);
                        add("=");
                        add(*value);
                }
        add(call->command ? call->separator ? " [--" : " [" : "");
        for (char **word = call->command; word && *word; word++) {
                add(" ");
                add(*word);
        }
        add(call->command ? "]" : "");
        if (subverb_has(call, TAG)) {
                add(" last=");
                add(subverb_value(call, TAG));
        } else
                assert_null(subverb_value(call, TAG));
        return 7;
}

static const SubverbFunction functions[] = {
        { "list", note }, { "make", note }, { "join", note }, { "start", note }
};

static void rows_say_what_a_verb_takes(void **state _unused_) {
        static const struct {
                const char *words, *expected; /* "!": wrong usage */
        } rows[] = {
                { "list", "list" },
                { "list --json", "list json=" },
                { "list -j", "list json=" },
                { "list x", "!" },
                { "list --tag=x", "!" },
                { "list --nothing", "!" },
                { "make", "!" },
                { "make a", "make a" },
                { "make a b", "make a b" },
                { "make a b c", "!" },
                { "make a --lines 3 b", "make a b lines=3" },
                { "make --tag=1 --tag=2 a", "make a tag=1 tag=2 last=2" },
                { "make --tag= a", "make a tag= last=" },
                { "make -- --tag", "make --tag" },
                { "join a", "!" },
                { "join a b", "join a b" },
                { "join a b c d e", "join a b c d e" },
                { "start", "!" },
                { "start web", "start web []" },
                { "start web --tag=x ls -l --json", "start web tag=x [ ls -l --json] last=x" },
                { "start web -- --tag", "start web [-- --tag]" },
                { "start web --", "start web [--]" },
                { "strat web", "!" },
                { "", "!" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *copy = strdup(rows[i].words);
                _cleanup_strv_ char **argv = NULL;
                char *rest = copy, *word;
                int r;

                assert_int_equal(strv_append(&argv, "thing"), 0);
                while (*copy && (word = strsep(&rest, " ")))
                        assert_int_equal(strv_append(&argv, word), 0);
                called[0] = '\0';
                r = subverbs_run(&verb, argv, functions, ARRAY_LEN(functions));
                if (streq(rows[i].expected, "!"))
                        ROW(i, rows[i].words, r == EXIT_USAGE && called[0] == '\0');
                else if (r != 7 || !streq(called, rows[i].expected))
                        fail_msg("row %zu (%s): %d, %s", i, rows[i].words, r, called);
        }
}

RUN(TEST(rows_say_what_a_verb_takes))
