/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/gate/gate-words.h"

#include <limits.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/verbs/verbs.h"

#define BIT(option) (UINT64_C(1) << (option))
#define ALL         UINT64_MAX
#define SHELL_BITS                                                                                      \
        (BIT(EXEC_USER) | BIT(EXEC_WORKDIR) | BIT(EXEC_ENV) | BIT(EXEC_ENV_FILE) | BIT(EXEC_TTY_SIZE) | \
         BIT(EXEC_TIMEOUT))

/* Not there is what would have root do something on the host: transient units with properties (--detach), more rights
 * than the leader's (--cap-add), verbs that take paths of the host. */
/* clang-format off */
static const struct GateVerb {
        const char *name;
        uint64_t options; /* those that may be used */
        uint64_t files;   /* of them, those whose value is a file, which the client opens */
        uint64_t env;     /* of them, those whose value is NAME=VALUE, or NAME for the client's value */
        uint64_t user;    /* of them, that which says who the command is */
        bool command;
        unsigned names;   /* how many operands are names of containers */
        unsigned numbers; /* how many behind them may be numbers */
} gate_verbs[] = {
        { "exec", SHELL_BITS | BIT(EXEC_TTY) | BIT(EXEC_NO_TTY) | BIT(EXEC_INPUT) | BIT(EXEC_JSON) | BIT(EXEC_MAX_OUTPUT),
          BIT(EXEC_ENV_FILE) | BIT(EXEC_INPUT), BIT(EXEC_ENV), BIT(EXEC_USER), .command = true, .names = 1 },
        { "shell", SHELL_BITS, BIT(EXEC_ENV_FILE), BIT(EXEC_ENV), BIT(EXEC_USER), .names = 1 },
        { "list", ALL },
        { "status", ALL, .names = 1 },
        { "inspect", ALL, .names = 1 },
        { "stats", ALL, .names = UINT_MAX },
        { "top", ALL, .names = 1 },
        { "logs", ALL, .names = 1 },
        { "kill", ALL, .names = 1, .numbers = 1 },
        { "freeze", ALL, .names = 1 },
        { "thaw", ALL, .names = 1 },
};
/* clang-format on */

void gate_words_done(GateWords *words) {
        strv_free(words->names);
        strv_free(words->argv);
        strv_free(words->files);
        free(words->user);
        *words = (GateWords){};
}

static const struct GateVerb *find(const char *name) {
        for (size_t i = 0; name && i < ARRAY_LEN(gate_verbs); i++)
                if (streq(gate_verbs[i].name, name))
                        return &gate_verbs[i];
        return NULL;
}

bool gate_has_verb(const char *verb) {
        return find(verb) != NULL;
}

int gate_exit_status(const GateWords *words) {
        return words->container ? EXIT_BERTH : EXIT_FAILED;
}

/* One pass over the words, for either side. */
typedef struct Pass {
        const struct GateVerb *gate;
        const Verb *verb;
        bool asking; /* the client's side */
        int first_fd;
        GateWords words;
        unsigned operands;
} Pass;

static int add_option(Pass *pass, const char *name, const char *value) {
        return value ? strv_appendf(&pass->words.argv, "--%s=%s", name, value)
                     : strv_appendf(&pass->words.argv, "--%s", name);
}

/* "fd:0", "fd:1": the descriptors in the order in which they are spoken of. */
static int take_file(Pass *pass, const char *name, const char *value) {
        char expected[32], path[32];
        int r;

        if (streq(value, "-")) /* standard input, which is handed over anyway */
                return add_option(pass, name, value);
        snprintf(expected, sizeof(expected), "fd:%ju", (uintmax_t) pass->words.n_files);
        pass->words.n_files++;
        if (pass->asking) {
                r = strv_append(&pass->words.files, value);
                return r < 0 ? r : add_option(pass, name, expected);
        }
        if (!streq(value, expected))
                return -EBADMSG;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", pass->first_fd + (int) pass->words.n_files - 1);
        return add_option(pass, name, path);
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

static int take_option(Pass *pass, unsigned option, const char *value) {
        const char *name = pass->verb->options[option].name;

        if (!(pass->gate->options & BIT(option)))
                return pass->asking ? log_error_errno(EPERM, "only root may use --%s", name) : -EBADMSG;
        if (pass->gate->files & BIT(option))
                return take_file(pass, name, value);
        if (pass->gate->env & BIT(option))
                return take_env(pass, name, value);
        if (pass->gate->user & BIT(option)) {
                free(pass->words.user);
                pass->words.user = strdup(value);
                if (!pass->words.user)
                        return -ENOMEM;
        }
        return add_option(pass, name, value);
}

/* 1: not what the verb takes. */
static int take_operand(Pass *pass, const char *value, char ***operands) {
        uint32_t number;

        if (pass->operands < pass->gate->names) {
                if (!name_valid(value, false) || strv_append(&pass->words.names, value) < 0)
                        return 1;
        } else if (pass->operands - pass->gate->names >= pass->gate->numbers ||
                   parse_uint32(value, &number) < 0)
                return 1;
        pass->operands++;
        return strv_append(operands, value);
}

/* 0, 1 for what the verb itself has to refuse, or negative. */
static int read_words(Pass *pass, char *argv[]) {
        OptionParser parser = { .options = pass->verb->options,
                                .argv = argv,
                                .command = pass->gate->command,
                                .operands = pass->gate->command ? pass->gate->names : 0 };
        _cleanup_strv_ char **operands = NULL;
        const char *value;
        int r = 0, found;

        r = strv_append(&pass->words.argv, "berth");
        if (r >= 0)
                r = strv_append(&pass->words.argv, pass->verb->name);
        while (r == 0 && (found = options_next(&parser, &value)) != OPTIONS_END) {
                if (found < 0 || found == OPTIONS_HELP)
                        r = found < 0 ? found : 1;
                else if (found == OPTIONS_OPERAND)
                        r = take_operand(pass, value, &operands);
                else
                        r = take_option(pass, (unsigned) found, value);
        }
        if (r == 0 && pass->gate->names > 0 && pass->gate->names != UINT_MAX &&
            pass->operands < pass->gate->names)
                r = 1;
        for (char **operand = operands; r == 0 && operand && *operand; operand++)
                r = strv_append(&pass->words.argv, *operand);
        if (r == 0 && pass->gate->command) {
                if (!parser.rest[0])
                        return 1;
                r = strv_append(&pass->words.argv, "--");
                for (char **word = parser.rest; r == 0 && *word; word++)
                        r = strv_append(&pass->words.argv, *word);
        }
        return r;
}

static int read_all(char *argv[], bool asking, int first_fd, GateWords *ret) {
        Pass pass = { .gate = find(argv[0]),
                      .verb = argv[0] ? verb_find(argv[0]) : NULL,
                      .asking = asking,
                      .first_fd = first_fd };
        int r;

        if (!pass.gate || !pass.verb)
                return -EBADMSG;
        pass.words.verb = pass.verb->name;
        pass.words.container = pass.verb->container;
        r = read_words(&pass, argv);
        if (r == 0)
                *ret = pass.words;
        else
                gate_words_done(&pass.words);
        return r;
}

int gate_words_ask(char *argv[], GateWords *ret) {
        return read_all(argv, true, 0, ret);
}

int gate_words_check(char *argv[], int first_fd, GateWords *ret) {
        return read_all(argv, false, first_fd, ret) == 0 ? 0 : -EBADMSG;
}
