/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/environment.h"
#include "helper/container/kept.h"
#include "helper/manage/call.h"
#include "helper/text/print.h"
#include "helper/verbs/subverbs.h"

/* berth env: variables that are kept for later execs, until the container stops. The leader does not have them. */

/* What is kept, as lines or as one object. */
static int print_kept(const SubverbCall *call) {
        _cleanup_json_ json_object *object = json_object_new_object();
        const char *name = call->operands[0];
        _cleanup_strv_ char **env = NULL;
        int r;

        r = object ? kept_load(name, &env) : -ENOMEM;
        if (r < 0)
                return log_error_errno(r, "cannot read the variables of container '%s': %m", name),
                       EXIT_FAILED;
        for (char **word = env; word && *word; word++) {
                char *value = strchr(*word, '=');

                if (!subverb_has(call, ENV_JSON)) {
                        puts(*word);
                        continue;
                }
                assert(value); /* kept_load() has seen to it */
                *value++ = '\0';
                json_add_string(object, *word, value);
        }
        if (subverb_has(call, ENV_JSON))
                print_json(object);
        return EXIT_DONE;
}

/* 0: the container runs; else the exit status, logged. */
static int check_runs(const char *name) {
        _cleanup_running_ Running running = RUNNING_NONE;
        int status = running_open(name, &running);

        return status < 0 ? EXIT_DONE : status;
}

static int change(const SubverbCall *call, char *const *set, char *const *unset) {
        const char *name = call->operands[0];
        int r = kept_change(name, set, unset);

        if (r == -E2BIG)
                return log_error_errno(r, "the variables of container '%s' would be over 1 MiB", name),
                       EXIT_FAILED;
        if (r < 0)
                return log_error_errno(r, "cannot keep the variables of container '%s': %m", name),
                       EXIT_FAILED;
        return subverb_has(call, ENV_JSON) ? print_kept(call) : EXIT_DONE;
}

static int env_set(const SubverbCall *call) {
        char *const *words = (char *const *) call->operands + 1;
        int status;

        for (char *const *word = words; *word; word++)
                if (!strchr(*word, '=') || !environment_name_valid(*word)) {
                        log_error("'%s': expected NAME=VALUE, a name of letters, digits and underscores",
                                  *word);
                        return EXIT_USAGE;
                }
        status = check_runs(call->operands[0]);
        return status != EXIT_DONE ? status : change(call, words, NULL);
}

static int env_unset(const SubverbCall *call) {
        char *const *words = (char *const *) call->operands + 1;
        int status;

        for (char *const *word = words; *word; word++)
                if (strchr(*word, '=') || !environment_name_valid(*word)) {
                        log_error("'%s': expected the name of a variable", *word);
                        return EXIT_USAGE;
                }
        status = check_runs(call->operands[0]);
        return status != EXIT_DONE ? status : change(call, NULL, words);
}

static int env_list(const SubverbCall *call) {
        int status = check_runs(call->operands[0]);

        return status != EXIT_DONE ? status : print_kept(call);
}

int verb_env(int argc _unused_, char *argv[]) {
        static const SubverbFunction functions[] = {
                { "set", env_set },
                { "unset", env_unset },
                { "list", env_list },
        };

        return subverbs_run(verb_find("env"), argv, functions, ARRAY_LEN(functions));
}
