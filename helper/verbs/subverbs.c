/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/subverbs.h"

#include <limits.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"

bool subverb_has(const SubverbCall *call, unsigned option) {
        return call->values[option] != NULL;
}

const char *subverb_value(const SubverbCall *call, unsigned option) {
        size_t n = strv_length(call->values[option]);

        return n > 0 ? call->values[option][n - 1] : NULL;
}

char *const *subverb_values(const SubverbCall *call, unsigned option) {
        return call->values[option];
}

static void call_done(SubverbCall *call) {
        strv_free(call->operands);
        for (size_t i = 0; i < SUBVERB_OPTIONS_MAX; i++)
                strv_free(call->values[i]);
}
#define _cleanup_call_ _cleanup_(call_done)

/* How many words "NAME [TAG]" or "FILE..." stand for. */
static void count_operands(const char *operands, unsigned *ret_least, unsigned *ret_most) {
        *ret_least = *ret_most = 0;
        for (const char *p = operands; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
                size_t n = strcspn(p, " ");

                *ret_least += *p != '[';
                *ret_most += 1;
                if (memmem(p, n, "...", 3))
                        *ret_most = UINT_MAX;
        }
}

/* What stands behind the sub-verb's name, each with a blank in front. */
static void print_words(const Subverb *subverb) {
        if (subverb->operands[0] != '\0')
                printf(" %s", subverb->operands);
        if (subverb->options)
                printf(" [OPTION...]");
        if (subverb->command)
                printf(" [--] COMMAND [WORD...]");
}

static int help(const Verb *verb) {
        int name = 0, operands = 0;

        for (const Subverb *s = verb->subverbs; s->name; s++) {
                name = MAX(name, (int) strlen(s->name));
                operands = MAX(operands, (int) strlen(s->operands));
        }
        printf("berth %s %s\n\n%s.\n\n", verb->name, verb->synopsis, verb->help);
        for (const Subverb *s = verb->subverbs; s->name; s++)
                printf("  %-*s %-*s  %s\n", name, s->name, operands, s->operands, s->help);
        printf("\n  %-30s %s\n", "-h --help", "Show this; after a verb, what it takes");
        return EXIT_DONE;
}

static int help_of(const Verb *verb, const Subverb *subverb) {
        Option options[SUBVERB_OPTIONS_MAX + 1] = {};
        size_t n = 0;

        for (size_t i = 0; verb->options && verb->options[i].name; i++)
                if (subverb->options & SUBVERB_OPTION(i))
                        options[n++] = verb->options[i];
        printf("berth %s %s", verb->name, subverb->name);
        print_words(subverb);
        printf("\n\n%s.\n\n", subverb->help);
        options_print(stdout, options);
        return EXIT_DONE;
}

static int take_option(SubverbCall *call, unsigned option, const char *value) {
        const Option *options = call->verb->options;

        if (!(call->subverb->options & SUBVERB_OPTION(option)))
                return log_error_errno(EINVAL, "%s %s takes no --%s", call->verb->name, call->subverb->name,
                                       options[option].name);
        return strv_append(&call->values[option], value ? value : "") < 0 ? log_oom() : 0;
}

static int take_operand(SubverbCall *call, unsigned most, const char *value) {
        const Subverb *subverb = call->subverb;

        if (most == 0)
                return log_error_errno(EINVAL, "%s %s takes no operand: %s", call->verb->name, subverb->name,
                                       value);
        if (strv_length(call->operands) >= most)
                return log_error_errno(EINVAL, "%s %s takes nothing but %s: %s", call->verb->name,
                                       subverb->name, subverb->operands, value);
        return strv_append(&call->operands, value) < 0 ? log_oom() : 0;
}

/* Returns 0, OPTIONS_HELP, or -EINVAL when that has been logged. */
static int read_words(SubverbCall *call, char *argv[]) {
        unsigned least, most;
        OptionParser parser = { .options = call->verb->options, .argv = argv, .above = call->verb->name };
        const char *value;
        int r;

        count_operands(call->subverb->operands, &least, &most);
        parser.command = call->subverb->command;
        parser.operands = least;
        call->operands = calloc(1, sizeof(char *));
        if (!call->operands)
                return log_oom();
        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == OPTIONS_HELP)
                        return r;
                if (r == OPTIONS_OPERAND)
                        r = take_operand(call, most, value);
                else if (r >= 0)
                        r = take_option(call, (unsigned) r, value);
                if (r < 0)
                        return r;
        }
        if (strv_length(call->operands) < least)
                return log_error_errno(EINVAL, "%s %s needs %s, see berth %s %s --help", call->verb->name,
                                       call->subverb->name, call->subverb->operands, call->verb->name,
                                       call->subverb->name);
        call->separator = parser.separator;
        call->command = call->subverb->command ? parser.rest : NULL;
        return 0;
}

static int run_subverb(const Verb *verb, const Subverb *subverb, char *argv[],
                       int (*run)(const SubverbCall *call)) {
        _cleanup_call_ SubverbCall call = { .verb = verb, .subverb = subverb };
        int r = read_words(&call, argv);

        if (r == OPTIONS_HELP)
                return help_of(verb, subverb);
        return r < 0 ? EXIT_USAGE : run(&call);
}

static int refuse_unknown(const Verb *verb, const char *word) {
        const char *nearest;
        size_t n = 0;

        while (verb->subverbs[n].name)
                n++;
        nearest = options_nearest(word, verb->subverbs, n, sizeof(Subverb));
        if (nearest)
                log_error("unknown verb '%s %s' (did you mean '%s'?)", verb->name, word, nearest);
        else
                log_error("unknown verb '%s %s', see berth %s --help", verb->name, word, verb->name);
        return EXIT_USAGE;
}

int subverbs_run(const Verb *verb, char *argv[], const SubverbFunction *functions, size_t n) {
        assert(verb && verb->subverbs);
        if (!argv[1]) {
                log_error("%s needs a verb, see berth %s --help", verb->name, verb->name);
                return EXIT_USAGE;
        }
        if (streq(argv[1], "--help") || streq(argv[1], "-h"))
                return help(verb);
        for (const Subverb *subverb = verb->subverbs; subverb->name; subverb++)
                for (size_t i = 0; streq(subverb->name, argv[1]) && i < n; i++)
                        if (streq(functions[i].name, subverb->name))
                                return run_subverb(verb, subverb, argv + 1, functions[i].run);
        return refuse_unknown(verb, argv[1]);
}
