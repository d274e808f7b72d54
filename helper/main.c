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
        (void) log_error_errno(errno, "Failed to execute '%s', which '%s' needs: %m", path, verb->name);
        return EXIT_FAILED;
}

static int dispatch(int argc, char *argv[]) {
        const Verb *verb = verb_find(argv[1]);
        size_t n = 0;
        int status;

        if (!verb) {
                const char *nearest;

                while (verbs[n].name)
                        n++;
                nearest = options_nearest(argv[1], verbs, n, sizeof(Verb));
                if (nearest)
                        log_error("unknown verb '%s' (did you mean '%s'?)", argv[1], nearest);
                else
                        log_error("unknown verb '%s', see berth --help", argv[1]);
                return EXIT_USAGE;
        }
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
                log_error("Expected a verb, see berth --help");
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
