/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/verbs/verbs.h"

/* "berth VERB SUB-VERB ...": the rows stand in verbs.c, the functions in the program that has the verb. Reading the
 * words, --help, "did you mean" and what is wrong usage are the same for all of them. */

/* What was said behind the sub-verb, checked against its row: as many operands as it takes, and no option that is
 * not its own. What a value means is the function's to say. Owns its vectors. */
typedef struct SubverbCall {
        const Verb *verb;
        const Subverb *subverb;
        char **operands;                    /* never NULL */
        char **command;                     /* the words of the command; NULL where the row takes none */
        bool separator;                     /* "--" was there, which tells an empty command from none */
        char **values[SUBVERB_OPTIONS_MAX]; /* by the option's index; NULL: not given */
} SubverbCall;

/* Was the option given? */
bool subverb_has(const SubverbCall *call, unsigned option);

/* Its value, the last one if there are several; NULL: not given. */
const char *subverb_value(const SubverbCall *call, unsigned option);

/* All its values in their order, NULL-terminated; NULL: not given. */
char *const *subverb_values(const SubverbCall *call, unsigned option);

typedef struct SubverbFunction {
        const char *name;
        int (*run)(const SubverbCall *call); /* returns the program's exit status */
} SubverbFunction;

/* Runs the sub-verb of verb that argv[1] names (argv[0] is the verb), or shows help, or says what is wrong with the
 * words and returns EXIT_USAGE. functions: one for each row of the verb. */
int subverbs_run(const Verb *verb, char *argv[], const SubverbFunction *functions, size_t n);
