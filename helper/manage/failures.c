/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/failures.h"

#include <signal.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/signals.h"
#include "common/strv.h"
#include "helper/container/inventory.h"
#include "helper/manage/status.h"
#include "helper/text/print.h"

/* Of a cleanup the words of its hook, if that is what has failed; borrowed. */
static int hook_words(const FailedCommand *failed, char ***ret) {
        if (strv_length(failed->words) < 2 || !streq(failed->words[1], "cleanup") ||
            failed->exit_code != CLD_EXITED || failed->exit_status == EXIT_BERTH)
                return 0;
        for (char **word = failed->words + 2; *word; word++) {
                const char *value = startswith(*word, "--hook-error=");

                if (value && strv_append(ret, value) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_one(json_object *array, const FailedCommand *failed) {
        json_object *object = json_object_new_object(), *words;
        _cleanup_strv_ char **hook = NULL;
        char when[32], name[SIGNAL_NAME_SIZE];

        if (json_append(array, object) < 0 || hook_words(failed, &hook) < 0)
                return -ENOMEM;
        words = json_object_new_array();
        if (!words)
                return -ENOMEM;
        json_add_string(object, "directive", hook ? "Error" : failed->directive);
        json_object_object_add(object, "command", words);
        for (char *const *word = hook ? hook : failed->words; word && *word; word++)
                json_object_array_add(words, json_object_new_string(*word));
        if (failed->exit_code == CLD_EXITED)
                json_object_object_add(object, "exit_status", json_object_new_int(failed->exit_status));
        else {
                signal_format(failed->exit_status, name);
                json_add_string(object, "exit_signal", name + strlen("SIG"));
        }
        format_time(failed->ended_usec, /* utc= */ true, when);
        json_add_string(object, "ended", when);
        return 0;
}

void failures_add(json_object *object, const UnitStatus *status) {
        _cleanup_json_ json_object *array = status->n_failed > 0 ? json_object_new_array() : NULL;

        for (size_t i = 0; array && i < status->n_failed; i++)
                if (add_one(array, &status->failed[i]) < 0)
                        return;
        if (array)
                json_object_object_add(object, "failed_commands", TAKE_PTR(array));
}

static const char *member(json_object *object, const char *key) {
        json_object *value;

        return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : NULL;
}

/* A manifest may put anything into a word, also what a terminal would obey. */
static void print_words(json_object *object) {
        json_object *words;

        if (!json_object_object_get_ex(object, "command", &words))
                return;
        for (size_t i = 0; i < json_object_array_length(words); i++) {
                const char *word = json_object_get_string(json_object_array_get_idx(words, i));

                putchar(i > 0 ? ' ' : '=');
                print_disarmed(word, strlen(word));
        }
}

void failures_print(json_object *object) {
        json_object *array;

        if (!json_object_object_get_ex(object, "failed_commands", &array))
                return;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                json_object *failed = json_object_array_get_idx(array, i);
                const char *status = member(failed, "exit_status"), *signal = member(failed, "exit_signal");

                status_label(i == 0 ? "Failed command" : "");
                printf("%s", member(failed, "directive"));
                print_words(failed);
                printf(" (%s %s, ", status ? "exit status" : "signal", status ? status : signal);
                status_print_date(member(failed, "ended"));
                puts(")");
        }
}
