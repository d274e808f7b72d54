/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "common/base.h"

/* Command lines from tables: how options are spelt, abbreviated options refused, where a command begins, what is
 * said of a wrong one. Parsing, --help, completion and the check of the man page all read the same rows. */

typedef struct Option {
        const char *name;     /* "timeout", of --timeout; a table ends at a row without */
        char letter;          /* 't', of -t; 0: none */
        const char *argument; /* what --help calls its value; NULL: it takes none; "[=...]": it may have one */
        const char *help;
} Option;

/* What options_next() returns beside the index of a row. */
enum {
        OPTIONS_OPERAND = 1000, /* a plain word, the value */
        OPTIONS_HELP,           /* --help or -h */
        OPTIONS_END,            /* nothing is left but rest */
};

/* One pass over argv. Set the first five (argv[0] is the verb and is skipped), leave the rest zero. Borrows. */
typedef struct OptionParser {
        const Option *options;
        char **argv;       /* NULL-terminated */
        bool command;      /* takes a command: the first plain word after the operands ends the options */
        unsigned operands; /* plain words before the command; without one, words and options may mix freely */
        const char *above; /* "image", of the verb "image import", whose argv[0] is "import"; NULL: of a verb */

        char **rest;    /* at OPTIONS_END: the command's words, never NULL */
        bool separator; /* "--" was there, which tells an empty command from none */
        unsigned index; /* of the word that was read last */
        unsigned seen;
        const char *cluster; /* letters left of "-tT" */
} OptionParser;

/* Returns the row's index, or one of the above, and its value (else NULL) in *ret_value. Takes "--name VALUE",
 * "--name=VALUE", "-n VALUE", "-nVALUE" and clusters of letters without value; names in full only, as a script
 * that abbreviates breaks with the next version. Wrong usage is logged, with the nearest name: -EINVAL. */
int options_next(OptionParser *parser, const char **ret_value);

/* Is "--NAME" or "--NAME=..." among the words up to a "--"? Whoever asked for it wants to read of wrong words, too. */
bool options_mention(char *const argv[], const char *name);

/* Prints the rows, aligned. */
void options_print(FILE *f, const Option *options);

/* The nearest of n words (each at the start of a struct of that size) for "did you mean", or NULL. */
const char *options_nearest(const char *word, const void *rows, size_t n, size_t row_size);
