/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "helper/gate/gate-client.h"
#include "helper/verbs/verbs.h"

/* berth VERB: the verbs that must be fast are functions of this static program; the others are programs of their
 * own, which it executes in its place. */

/* clang-format off */
static const struct {
        const char *name;
        int (*run)(int argc, char *argv[]);
} functions[] = {
        { "exec",    verb_exec },
        { "shell",   verb_shell },
        { "launch",  verb_launch },
        { "refuse",  verb_refuse },
        { "reload",  verb_reload },
        { "unheard", verb_unheard },
        { "cleanup", verb_cleanup },
};
/* clang-format on */

static int help(void) {
        puts("berth VERB [ARGUMENT...]\n\nContainers as systemd services.\n");
        for (const Verb *verb = verbs; verb->name; verb++)
                if (!verb->internal)
                        printf("  %-10s %s\n", verb->name, verb->help);
        puts("\n  --help     Show this; after a verb, what it takes\n  --version  Show the version\n\n"
             "See berth(1).");
        return 0;
}

static int execute(const Verb *verb, char *argv[]) {
        static const char *const programs[] = {
                [VERB_MANAGE] = BERTH_LIBEXECDIR "/berth-manage",
                [VERB_MANIFEST] = BERTH_LIBEXECDIR "/berth-manifest",
                [VERB_FILES] = BERTH_LIBEXECDIR "/berth-files",
                [VERB_STORAGE] = BERTH_LIBEXECDIR "/berth-storage",
        };
        const char *path = programs[verb->program];

        execv(path, argv);
        (void) log_error_errno(errno, "cannot execute '%s', which '%s' needs: %m", path, verb->name);
        return EXIT_FAILED;
}

/* What somebody would try who comes from other tools, before a guess by its letters. */
static int unknown_verb(const char *word, const char *operand) {
        static const struct {
                const char *word, *instead;
        } rows[] = {
                { "ps", "list" },          { "rm", "remove" },         { "attach", "shell" },
                { "pause", "freeze" },     { "unpause", "thaw" },      { "images", "image list" },
                { "rmi", "image remove" }, { "pull", "image import" }, { "load", "image import" },
                { "validate", "check" },   { "help", "--help" },       { "version", "--version" },
        };
        static const char *const systemctl[] = { "start", "stop", "restart" };
        const char *instead = NULL;
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_LEN(systemctl); i++)
                if (streq(systemctl[i], word)) {
                        log_error("unknown verb '%s': a container is a service, systemctl %s %s", word, word,
                                  operand ? operand : "NAME");
                        return EXIT_USAGE;
                }
        while (verbs[n].name)
                n++;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (streq(rows[i].word, word))
                        instead = rows[i].instead;
        if (!instead)
                instead = options_nearest(word, verbs, n, sizeof(Verb));
        if (instead)
                log_error("unknown verb '%s' (did you mean '%s'?)", word, instead);
        else
                log_error("unknown verb '%s', see berth --help", word);
        return EXIT_USAGE;
}

static int dispatch(int argc, char *argv[]) {
        const Verb *verb = verb_find(argv[1]);
        int status;

        if (!verb)
                return unknown_verb(argv[1], argv[2]);
        if (geteuid() != 0 && gate_client_run(argv + 1, &status))
                return status;
        if (verb->program != VERB_BERTH)
                return execute(verb, argv);
        for (size_t i = 0; i < ARRAY_LEN(functions); i++)
                if (streq(functions[i].name, verb->name))
                        return functions[i].run(argc - 1, argv + 1);
        assert(false); /* a row of verbs[] without its function */
        return EXIT_FAILED;
}

int main(int argc, char *argv[]) {
        if (argc < 2) {
                log_error("expected a verb, see berth --help");
                return EXIT_USAGE;
        }
        if (streq(argv[1], "--help") || streq(argv[1], "-h"))
                return help();
        if (streq(argv[1], "--version")) {
                puts("berth " BERTH_VERSION);
                return 0;
        }
        if (streq(argv[1], "--dump-options"))
                return verbs_dump();
        return dispatch(argc, argv);
}
