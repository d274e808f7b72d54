/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/gate/gate-words.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/exec/detach.h"
#include "helper/verbs/verbs.h"

#define BIT(option) (UINT64_C(1) << (option))

void gate_words_done(GateWords *words) {
        strv_free(words->names);
        strv_free(words->argv);
        strv_free(words->files);
        free(words->user);
        free(words->volume);
        *words = (GateWords){};
}

bool gate_has_verb(const char *verb) {
        for (const GateVerb *row = gate_verbs; verb && row->name; row++)
                if (streq(row->name, verb))
                        return !row->open;
        return false;
}

int gate_exit_status(const GateWords *words) {
        return words->container ? EXIT_BERTH : EXIT_FAILED;
}

/* One pass over the words, for either side. */
typedef struct Pass {
        const GateVerb *row;
        const Verb *verb;
        const Subverb *subverb; /* or NULL */
        bool asking;            /* the client's side */
        int first_fd;
        GateWords words;
        uint64_t seen; /* options */
        unsigned n_operands;
        char **operands;  /* in their form */
        char **command;   /* borrowed; NULL: it has none */
        const char *root; /* an option that is root's */
        bool output;      /* a file is to be written that is root's */
} Pass;

static void pass_done(Pass *pass) {
        gate_words_done(&pass->words);
        strv_free(pass->operands);
}

/* "fd:0", "fd:1": the descriptors in the order in which they are spoken of. Appends format with what stands for one. */
static int add_file(Pass *pass, char ***v, const char *option, const char *value) {
        char expected[32], path[32];
        int r = 0;

        snprintf(expected, sizeof(expected), "fd:%ju", (uintmax_t) pass->words.n_files);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", pass->first_fd + (int) pass->words.n_files);
        if (streq(value, "-")) /* standard input, which is handed over anyway */
                return strv_appendf(v, "%s-", option);
        pass->words.n_files++;
        if (pass->asking)
                r = strv_append(&pass->words.files, value);
        else if (!streq(value, expected))
                r = -EBADMSG;
        return r < 0 ? r : strv_appendf(v, "%s%s", option, pass->asking ? expected : path);
}

static int take_file(Pass *pass, const char *name, const char *value) {
        char option[64];

        snprintf(option, sizeof(option), "--%s=", name);
        return add_file(pass, &pass->words.argv, option, value);
}

static int add_option(Pass *pass, const char *name, const char *value) {
        return value ? strv_appendf(&pass->words.argv, "--%s=%s", name, value)
                     : strv_appendf(&pass->words.argv, "--%s", name);
}

/* The gate has none of the client's environment: NAME alone is done here. */
static int take_env(Pass *pass, const char *name, const char *value) {
        const char *own;

        if (strchr(value, '='))
                return add_option(pass, name, value);
        if (!pass->asking)
                return -EBADMSG;
        own = getenv(value);
        return own ? strv_appendf(&pass->words.argv, "--%s=%s=%s", name, value, own) : 0;
}

/* 1: not what the verb takes, or -EPERM. */
static int take_option(Pass *pass, unsigned option, const char *value) {
        const char *name = pass->verb->options[option].name;
        const GateVerb *row = pass->row;

        if (pass->subverb && !(pass->subverb->options & BIT(option)))
                return 1;
        if (!(row->options & BIT(option))) {
                pass->root = name;
                return -EPERM;
        }
        pass->seen |= BIT(option);
        if (row->files & BIT(option))
                return take_file(pass, name, value);
        if (row->env & BIT(option))
                return take_env(pass, name, value);
        if (row->user & BIT(option)) {
                free(pass->words.user);
                pass->words.user = strdup(value);
                if (!pass->words.user)
                        return -ENOMEM;
        }
        return add_option(pass, name, value);
}

/* Of the first size bytes of word. 1: no name. */
static int add_name(Pass *pass, const char *word, size_t size) {
        _cleanup_free_ char *name = strndup(word, size);

        if (!name)
                return -ENOMEM;
        if (!name_valid(name, false))
                return 1;
        for (char **other = pass->words.names; other && *other; other++)
                if (streq(*other, name))
                        return 0; /* it was asked for already */
        return strv_append(&pass->words.names, name);
}

static int add_job(Pass *pass, const char *word) {
        const char *dash = strrchr(word, '-');

        if (!dash || strlen(dash + 1) != JOB_ID_LENGTH ||
            dash[1 + strspn(dash + 1, "0123456789abcdef")] != '\0')
                return 1;
        return add_name(pass, word, (size_t) (dash - word));
}

static int add_volume(Pass *pass, const char *word) {
        const char *colon = strchr(word, ':');

        if (!colon || !volume_name_valid(colon + 1))
                return 1;
        pass->words.volume = strdup(colon + 1);
        return pass->words.volume ? add_name(pass, word, (size_t) (colon - word)) : -ENOMEM;
}

static int add_inside(Pass *pass, const char *word) {
        const char *colon = strchr(word, ':');

        return !colon || colon[1] != '/' ? 1 : add_name(pass, word, (size_t) (colon - word));
}

/* What operand n is, or '\0'. */
static char kind_of(const GateVerb *row, unsigned n) {
        const char *spec = row->operands;
        char kind = '\0';

        for (; *spec && *spec != '+'; spec++)
                if (*spec != '?') {
                        kind = *spec;
                        if (n-- == 0)
                                return kind;
                }
        return *spec == '+' ? kind : '\0';
}

/* How many there have to be. */
static unsigned least_operands(const GateVerb *row) {
        return (unsigned) strcspn(row->operands, "?+");
}

/* 1: not what the verb takes, or -EPERM. */
static int take_operand(Pass *pass, const char *value) {
        uint32_t number;
        int r = 1;

        switch (kind_of(pass->row, pass->n_operands++)) {
        case GATE_CONTAINER:
                r = add_name(pass, value, strlen(value));
                break;
        case GATE_NUMBER:
                r = parse_uint32(value, &number) < 0 ? 1 : 0;
                break;
        case GATE_JOB:
                r = add_job(pass, value);
                break;
        case GATE_VOLUME:
                r = add_volume(pass, value);
                break;
        case GATE_INSIDE:
                r = add_inside(pass, value);
                break;
        case GATE_STREAM:
                r = streq(value, "-") ? 0 : 1;
                break;
        case GATE_OUTPUT:
                pass->output = !streq(value, "-");
                r = pass->output ? -EPERM : 0;
                break;
        case GATE_TEXT:
                r = 0;
                break;
        case GATE_FILE:
                return add_file(pass, &pass->operands, "", value);
        }
        return r != 0 ? r : strv_append(&pass->operands, value);
}

/* 0, 1 for what the verb itself has to refuse, or negative. */
static int read_words(Pass *pass, char *argv[]) {
        const GateVerb *row = pass->row;
        OptionParser parser = { .options = pass->verb->options,
                                .argv = argv + !!row->subverb,
                                .command = row->command,
                                .operands = row->command ? least_operands(row) : 0,
                                .above = row->subverb ? pass->verb->name : NULL };
        const char *value;
        int r = 0, found;

        while (r == 0 && (found = options_next(&parser, &value)) != OPTIONS_END) {
                if (found < 0 || found == OPTIONS_HELP)
                        r = found < 0 ? found : 1;
                else if (found == OPTIONS_OPERAND)
                        r = take_operand(pass, value);
                else
                        r = take_option(pass, (unsigned) found, value);
        }
        if (r != 0)
                return r;
        pass->command = row->command ? parser.rest : NULL;
        pass->output = kind_of(row, pass->n_operands) == GATE_OUTPUT;
        if (pass->output && pass->n_operands + 1 == least_operands(row))
                return -EPERM;
        return pass->n_operands < least_operands(row) || (row->command && !pass->command[0]) ||
                                               (pass->seen & row->with) != row->with
                               ? 1
                               : 0;
}

/* The operands behind "--", that none is an option. Where a command follows, they are names, and it is the command that
 * stands behind it. */
static int add_operands(Pass *pass) {
        char ***argv = &pass->words.argv;
        int r = 0;

        if (!pass->command && pass->operands)
                r = strv_append(argv, "--");
        for (char **word = pass->operands; r == 0 && word && *word; word++)
                r = strv_append(argv, *word);
        if (r == 0 && pass->command)
                r = strv_append(argv, "--");
        for (char **word = pass->command; r == 0 && word && *word; word++)
                r = strv_append(argv, *word);
        return r;
}

static int read_row(Pass *pass, char *argv[]) {
        char ***words = &pass->words.argv;
        int r;

        pass->words.row = pass->row;
        pass->words.container = pass->verb->container;
        r = strv_append(words, "berth");
        if (r >= 0)
                r = strv_append(words, pass->verb->name);
        if (r >= 0 && pass->row->subverb)
                r = strv_append(words, pass->row->subverb);
        if (r >= 0)
                r = read_words(pass, argv);
        return r == 0 ? add_operands(pass) : r;
}

static const Subverb *find_subverb(const Verb *verb, const char *name) {
        for (const Subverb *s = verb->subverbs; s && name && s->name; s++)
                if (streq(s->name, name))
                        return s;
        return NULL;
}

/* Is it only help that is asked for? */
static bool wants_help(const Verb *verb, char *argv[]) {
        OptionParser parser = { .options = verb->options, .argv = argv };
        const char *value;
        int found;

        if (verb->subverbs && !find_subverb(verb, argv[1]))
                return true; /* which verb it is to be is for the verb to say */
        while ((found = options_next(&parser, &value)) != OPTIONS_END)
                if (found == OPTIONS_HELP)
                        return true;
                else if (found < 0)
                        return false;
        return false;
}

static int refuse_verb(const GateVerb *row, const Verb *verb, char *argv[]) {
        if (wants_help(verb, argv))
                return 1;
        return log_error_errno(EPERM, "only root may use '%s%s%s': %s", verb->name,
                               verb->subverbs ? " " : "", verb->subverbs ? argv[1] : "", row->root);
}

/* What a row of a verb has said of the words, if none took them. */
typedef struct Refusal {
        bool output;
        const char *option, *with; /* --option is for root, in a row that needs --with */
} Refusal;

static int refuse_words(const Refusal *refusal) {
        if (refusal->output)
                return log_error_errno(EPERM, "only root may have a file written; for standard output: -");
        if (refusal->with)
                return log_error_errno(EPERM, "only root may use --%s together with --%s", refusal->option,
                                       refusal->with);
        return log_error_errno(EPERM, "only root may use --%s", refusal->option);
}

static const char *name_of(const Verb *verb, uint64_t bit) {
        return bit ? verb->options[__builtin_ctzll(bit)].name : NULL;
}

static bool fits(const GateVerb *row, const Verb *verb, char *argv[]) {
        return streq(row->name, verb->name) && (!row->subverb || (argv[1] && streq(row->subverb, argv[1])));
}

static int read_all(char *argv[], bool asking, int first_fd, GateWords *ret) {
        const Verb *verb = argv[0] ? verb_find(argv[0]) : NULL;
        Refusal refusal = {};
        int result = asking ? 1 : -EBADMSG;

        for (const GateVerb *row = gate_verbs; verb && row->name; row++) {
                _cleanup_(pass_done)
                                Pass pass = { .row = row,
                                              .verb = verb,
                                              .subverb = row->subverb ? find_subverb(verb, argv[1]) : NULL,
                                              .asking = asking,
                                              .first_fd = first_fd };
                int r;

                if (!fits(row, verb, argv))
                        continue;
                if (row->open)
                        return asking ? 1 : -EPERM;
                if (row->root)
                        return asking ? refuse_verb(row, verb, argv) : -EPERM;
                r = read_row(&pass, argv);
                if (r == 0) {
                        *ret = pass.words;
                        pass.words = (GateWords){};
                        return 0;
                }
                if (r == -EPERM)
                        refusal = (Refusal){ pass.output, pass.root, name_of(verb, pass.seen & row->with) };
                else if (r < 0)
                        return r;
        }
        return asking && (refusal.output || refusal.option) ? refuse_words(&refusal) : result;
}

int gate_words_ask(char *argv[], GateWords *ret) {
        return read_all(argv, true, 0, ret);
}

int gate_words_check(char *argv[], int first_fd, GateWords *ret) {
        int r = read_all(argv, false, first_fd, ret);

        return r == 0 || r == -EPERM ? r : -EBADMSG;
}
