/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* berth-manifest: the verbs of berth that know manifests ("berth check" runs it). They read what the generator
 * reads, through the same code. */

#include "generator/tool.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/manifest-options.h"
#include "generator/keys.h"

typedef struct ToolOption {
        const char *name; /* NULL ends a table */
        const char *argument;
        const char *help;
} ToolOption;

#define ROW(name, argument, help) { name, argument, help },

/* clang-format off */
static const ToolOption check_options[] = { MANIFEST_OPTIONS_CHECK(ROW) { 0 } };
static const ToolOption enable_options[] = { MANIFEST_OPTIONS_ENABLE(ROW) { 0 } };
static const ToolOption diff_options[] = { MANIFEST_OPTIONS_DIFF(ROW) { 0 } };
static const ToolOption convert_options[] = { MANIFEST_OPTIONS_CONVERT(ROW) { 0 } };
static const ToolOption preview_options[] = { MANIFEST_OPTIONS_PREVIEW(ROW) { 0 } };

static const struct ToolVerb {
        const char *name, *synopsis, *help, *status;
        const ToolOption *options;
        int (*run)(const Tool *tool);
        bool operands; /* needs at least one */
} verbs[] = {
        { "check", "[OPTION...] [NAME|FILE...]",
          "Tell what is wrong with manifests; without arguments, with all of them.",
          "0 all is well, 1 there are errors, 2 wrong usage, 3 no such manifest", check_options, verb_check, false },
        { "preview", "[OPTION...] [NAME|FILE...]",
          "Print the units that manifests make, each after its path; without arguments, those of all.\n"
          "Nothing is written.",
          "0 done, 1 there are errors, 2 wrong usage, 3 no such manifest", preview_options, verb_preview, false },
        { "diff", "[OPTION...] [NAME...]",
          "Show where systemd or a running container is behind the manifests: what a daemon-reload and what\n"
          "a restart would change.",
          "0 nothing differs, 1 something does, 2 wrong usage, 3 no such manifest", diff_options, verb_diff, false },
        { "convert", "[OPTION...] FILE...|DIR",
          "Make manifests of Quadlet's .container, .volume, .network and .pod files, and name what could\n"
          "not be carried over. A single manifest goes to standard output.",
          "0 all carried over, 1 something was not, 2 wrong usage", convert_options, verb_convert, true },
        { "enable", "[OPTION...] NAME...",
          "Have containers started with the system, by a drop-in NAME.berth.d/50-enable.conf.",
          "0 done, 1 failed, 2 wrong usage, 3 no such manifest", enable_options, verb_enable, true },
        { "disable", "[OPTION...] NAME...",
          "Take back what enable did.",
          "0 done, 1 failed, 2 wrong usage, 3 no such manifest", enable_options, verb_disable, true },
};
/* clang-format on */

typedef struct ToolVerb ToolVerb;

static const ToolVerb *verb_find(const char *name) {
        for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
                if (streq(verbs[i].name, name))
                        return &verbs[i];
        return NULL;
}

static int overview(void) {
        puts("berth-manifest VERB [ARGUMENT...]\n\nThe verbs of berth(1) that know manifests.\n");
        for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
                printf("  %-8s %s\n", verbs[i].name, verbs[i].synopsis);
        puts("\n  --help       print this; behind a verb, what it takes\n"
             "  --version    print the version\n"
             "  --list-keys  print section, key and meaning of all keys, tabs between");
        return EXIT_DONE;
}

static int usage(const ToolVerb *verb) {
        printf("berth %s %s\n\n%s\n\n", verb->name, verb->synopsis, verb->help);
        for (const ToolOption *o = verb->options; o->name; o++) {
                char spelt[64];

                snprintf(spelt, sizeof(spelt), "--%s%s%s", o->name, o->argument ? "=" : "",
                         o->argument ? o->argument : "");
                printf("  %-24s %s\n", spelt, o->help);
        }
        printf("  %-24s %s\n\nExit status: %s.\n", "--help", "Show this", verb->status);
        return EXIT_DONE;
}

/* Stores an option that the verb has. */
static void option_set(Tool *tool, const char *name, const char *value) {
        if (streq(name, "json"))
                tool->json = true;
        else if (streq(name, "output"))
                tool->output = value;
        else if (streq(name, "manifest-path"))
                tool->set.manifest_path = value;
        else if (streq(name, "unit-path"))
                tool->set.unit_path = value;
        else {
                assert(streq(name, "root"));
                tool->set.root = value;
        }
}

/* Reads the option at argv[*i], and the next word if that is its value. 0, or EXIT_USAGE, logged. */
static int option_parse(Tool *tool, const ToolVerb *verb, char *argv[], int *i) {
        const char *spelt = argv[*i] + 2, *eq = strchr(spelt, '=');
        size_t n = eq ? (size_t) (eq - spelt) : strlen(spelt);

        for (const ToolOption *o = verb->options; argv[*i][1] == '-' && o->name; o++) {
                const char *value = eq ? eq + 1 : NULL;

                if (strlen(o->name) != n || strncmp(o->name, spelt, n) != 0)
                        continue;
                if (!o->argument && value) {
                        log_error("--%s takes no value, see berth %s --help", o->name, verb->name);
                        return EXIT_USAGE;
                }
                if (o->argument && !value)
                        value = argv[++*i];
                if (o->argument && (!value || *value == '\0')) {
                        log_error("--%s needs a value: --%s=%s", o->name, o->name, o->argument);
                        return EXIT_USAGE;
                }
                option_set(tool, o->name, value);
                return 0;
        }
        log_error("unknown option '%s', see berth %s --help", argv[*i], verb->name);
        return EXIT_USAGE;
}

/* argv[0] is the verb, and argv ends in NULL. */
static int verb_run(const ToolVerb *verb, int argc, char *argv[]) {
        Tool tool = { .arguments = argv };
        int n = 0;

        for (int i = 1; i < argc; i++) {
                if (streq(argv[i], "--help") || streq(argv[i], "-h"))
                        return usage(verb);
                if (streq(argv[i], "--")) {
                        while (++i < argc)
                                argv[n++] = argv[i];
                } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
                        int r = option_parse(&tool, verb, argv, &i);

                        if (r != 0)
                                return r;
                } else
                        argv[n++] = argv[i];
        }
        argv[n] = NULL;
        if (n == 0 && verb->operands) {
                log_error("expected %s, see berth %s --help", strrchr(verb->synopsis, ' ') + 1, verb->name);
                return EXIT_USAGE;
        }
        return verb->run(&tool);
}

int main(int argc, char *argv[]) {
        const char *first = argc > 1 ? argv[1] : "";
        const ToolVerb *verb = verb_find(first);

        if (verb)
                return verb_run(verb, argc - 1, argv + 1);
        if (streq(first, "--help") || streq(first, "-h"))
                return overview();
        if (streq(first, "--version")) {
                puts("berth-manifest " BERTH_VERSION);
                return EXIT_DONE;
        }
        if (streq(first, "--list-keys")) {
                keys_print(stdout);
                return EXIT_DONE;
        }
        log_error("expected a verb, not '%s'; see berth --help", first);
        return EXIT_USAGE;
}
