/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/options.h"

#include "common/log.h"

#define WORD_MAX     31 /* longer words are nobody's typo */
#define DISTANCE_MAX 2

/* Levenshtein's distance: letters to insert, remove or replace. */
static unsigned distance(const char *a, const char *b) {
        unsigned row[WORD_MAX + 1];
        size_t n = strlen(a), m = strlen(b);

        if (n > WORD_MAX || m > WORD_MAX)
                return UINT32_MAX;
        for (unsigned j = 0; j <= m; j++)
                row[j] = j;
        for (unsigned i = 1; i <= n; i++) {
                unsigned diagonal = row[0];

                row[0] = i;
                for (unsigned j = 1; j <= m; j++) {
                        unsigned replace = diagonal + (a[i - 1] != b[j - 1]);

                        diagonal = row[j];
                        row[j] = MIN(replace, MIN(row[j], row[j - 1]) + 1);
                }
        }
        return row[m];
}

const char *options_nearest(const char *word, const void *rows, size_t n, size_t row_size) {
        const char *nearest = NULL;
        unsigned least = DISTANCE_MAX + 1;

        for (size_t i = 0; i < n; i++) {
                const char *name =
                                *(const char *const *) (const void *) ((const char *) rows + i * row_size);
                unsigned d = distance(word, name);

                if (d < least && d < strlen(name)) {
                        least = d;
                        nearest = name;
                }
        }
        return nearest;
}

static size_t options_count(const Option *options) {
        size_t n = 0;

        while (options && options[n].name)
                n++;
        return n;
}

/* word: as it was spelt. */
static int point_to_help(const OptionParser *parser, const char *word, size_t n) {
        return log_error_errno(EINVAL, "unknown option '%.*s', see berth %s%s%s --help", (int) n, word,
                               parser->above ? parser->above : "", parser->above ? " " : "",
                               parser->argv[0]);
}

static int refuse_unknown(const OptionParser *parser, const char *name, size_t n) {
        _cleanup_free_ char *word = strndup(name, n);
        const char *nearest = NULL;

        if (word)
                nearest = options_nearest(word, parser->options, options_count(parser->options),
                                          sizeof(Option));
        if (nearest)
                return log_error_errno(EINVAL, "unknown option '--%.*s' (did you mean '--%s'?)", (int) n,
                                       name, nearest);
        return point_to_help(parser, name - strlen("--"), n + strlen("--"));
}

/* May it stand without a value? "[SECTION.]KEY=VALUE" is one, and only begins with what may be left out. */
static bool is_optional(const char *argument) {
        return startswith(argument, "[=") != NULL;
}

static int next_long(OptionParser *parser, const char *word, const char **ret_value) {
        size_t n = strcspn(word, "=");
        const char *value = word[n] == '=' ? word + n + 1 : NULL;

        for (size_t i = 0; parser->options && parser->options[i].name; i++) {
                const Option *option = &parser->options[i];

                if (strlen(option->name) != n || strncmp(option->name, word, n) != 0)
                        continue;
                if (!option->argument && value)
                        return log_error_errno(EINVAL, "option '--%s' takes no value", option->name);
                if (option->argument && !is_optional(option->argument) && !value) {
                        value = parser->argv[parser->index + 1];
                        if (!value)
                                return log_error_errno(EINVAL, "option '--%s' needs a value: --%s=%s",
                                                       option->name, option->name, option->argument);
                        parser->index++;
                }
                *ret_value = value;
                return (int) i;
        }
        if (n == 4 && !value && startswith(word, "help"))
                return OPTIONS_HELP;
        return refuse_unknown(parser, word, n);
}

static int next_letter(OptionParser *parser, const char **ret_value) {
        char letter = *parser->cluster++;

        for (size_t i = 0; parser->options && parser->options[i].name; i++) {
                const Option *option = &parser->options[i];

                if (option->letter != letter)
                        continue;
                if (!option->argument)
                        return (int) i;
                if (*parser->cluster == '\0') {
                        if (!parser->argv[parser->index + 1])
                                return log_error_errno(EINVAL, "option '-%c' needs a value: -%c %s", letter,
                                                       letter, option->argument);
                        parser->cluster = parser->argv[++parser->index];
                }
                *ret_value = parser->cluster;
                parser->cluster = NULL;
                return (int) i;
        }
        if (letter == 'h')
                return OPTIONS_HELP;
        return point_to_help(parser, (const char[]){ '-', letter }, 2);
}

int options_next(OptionParser *parser, const char **ret_value) {
        char *word;

        *ret_value = NULL;
        if (parser->cluster && *parser->cluster)
                return next_letter(parser, ret_value);
        parser->cluster = NULL;
        if (parser->rest)
                return OPTIONS_END;

        /* An argv without even a name (execve(2) allows it) must not be walked past its end. */
        word = parser->argv[parser->index] ? parser->argv[++parser->index] : NULL;
        if (!word) {
                parser->rest = parser->argv + parser->index;
                return OPTIONS_END;
        }
        if (streq(word, "--") && (parser->command || !parser->separator)) {
                parser->separator = true;
                if (parser->command && parser->seen >= parser->operands) {
                        parser->rest = parser->argv + parser->index + 1;
                        return OPTIONS_END;
                }
                word = parser->argv[++parser->index];
                if (!word) {
                        parser->rest = parser->argv + parser->index;
                        return OPTIONS_END;
                }
        } else if (!parser->separator && word[0] == '-' && word[1] == '-')
                return next_long(parser, word + 2, ret_value);
        else if (!parser->separator && word[0] == '-' && word[1] != '\0') {
                parser->cluster = word + 1;
                return next_letter(parser, ret_value);
        }

        if (parser->command && parser->seen >= parser->operands) {
                parser->rest = parser->argv + parser->index;
                return OPTIONS_END;
        }
        parser->seen++;
        *ret_value = word;
        return OPTIONS_OPERAND;
}

bool options_mention(char *const argv[], const char *name) {
        size_t n = strlen(name);

        for (; *argv && !streq(*argv, "--"); argv++) {
                const char *word = startswith(*argv, "--");

                if (word && strncmp(word, name, n) == 0 && (word[n] == '\0' || word[n] == '='))
                        return true;
        }
        return false;
}

void options_print(FILE *f, const Option *options) {
        for (size_t i = 0; options && options[i].name; i++) {
                const Option *option = &options[i];
                char left[64];

                snprintf(left, sizeof(left), "%c%c --%s%s%s", option->letter ? '-' : ' ',
                         option->letter ? option->letter : ' ', option->name,
                         option->argument && !is_optional(option->argument) ? "=" : "",
                         option->argument ? option->argument : "");
                fprintf(f, "  %-30s %s\n", left, option->help);
        }
        fprintf(f, "  %-30s %s\n", "-h --help", "Show this");
}
