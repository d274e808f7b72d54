/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-c/json.h>
#include <stdio.h>
#include <systemd/sd-journal.h>

#include "common/contract.h"
#include "common/json-text.h"
#include "common/log.h"
#include "common/utf8.h"
#include "helper/manage/job.h"
#include "helper/manage/journal.h"
#include "helper/text/print.h"

/* A job's entries of the journal: the lines of exec --json=stream, and what berth itself has logged. */

typedef struct Logs {
        sd_journal *journal;
        bool json;
} Logs;

static void logs_done(Logs *logs) {
        sd_journal_close(logs->journal);
}

/* -EINVAL: since is no cursor. */
static int open_logs(const char *unit, const char *since, Logs *logs) {
        char match[512];
        int r;

        r = sd_journal_open(&logs->journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        if (r < 0)
                return r;
        (void) sd_journal_set_data_threshold(logs->journal, 0);
        snprintf(match, sizeof(match), "_SYSTEMD_UNIT=%s", unit);
        r = sd_journal_add_match(logs->journal, match, 0);
        if (r >= 0)
                r = sd_journal_add_match(logs->journal, "_TRANSPORT=stdout", 0);
        if (r >= 0)
                r = since ? sd_journal_seek_cursor(logs->journal, since)
                          : sd_journal_seek_head(logs->journal);
        return r;
}

/* What is behind NAME= of the present entry; not terminated. */
static int get_field(sd_journal *journal, const char *name, const char **ret, size_t *ret_size) {
        const void *data;
        size_t size, n = strlen(name) + 1;
        int r;

        r = sd_journal_get_data(journal, name, &data, &size);
        if (r < 0 || size < n)
                return r < 0 ? r : -EBADMSG;
        *ret = (const char *) data + n;
        *ret_size = size - n;
        return 0;
}

/* The bytes of the string member of a line; base64 where the line says so. Returns false if it has none. */
static bool put_member(json_object *line, const char *member, FILE *to) {
        json_object *value, *encoding;
        const char *text;
        size_t n;

        if (!json_object_object_get_ex(line, member, &value) ||
            !json_object_is_type(value, json_type_string))
                return false;
        text = json_object_get_string(value);
        n = (size_t) json_object_get_string_len(value);
        if (json_object_object_get_ex(line, "encoding", &encoding)) {
                char *bytes = malloc(n + 1);

                n = bytes ? json_unbase64(text, n, bytes) : 0;
                if (bytes)
                        fwrite(bytes, 1, n, to);
                free(bytes);
        } else
                fwrite(text, 1, n, to);
        return true;
}

/* One entry as it was written. Only berth writes into this stream, so what is no line of JSON is its own log. */
static void put_text(const char *message, size_t size) {
        _cleanup_free_ char *text = strndup(message, size);
        _cleanup_json_ json_object *line = text ? json_tokener_parse(text) : NULL;
        json_object *end;

        if (!json_object_is_type(line, json_type_object)) {
                fprintf(stderr, "%s\n", text ? text : "");
                return;
        }
        if (json_object_object_get_ex(line, "exit_code", &end))
                return; /* the last, which job list tells of */
        if (put_member(line, "stdout", stdout))
                fflush(stdout); /* in the order of the two */
        else if (put_member(line, "stderr", stderr))
                fflush(stderr);
}

static void put_json(const char *message, size_t size) {
        char *text;

        if (size > 0 && message[0] == '{') {
                fwrite(message, 1, size, stdout);
                putchar('\n');
                return;
        }
        size = utf8_valid_prefix(message, size);
        text = malloc(JSON_TEXT_MAX(size));
        if (!text)
                return;
        printf("{\"message\":%.*s}\n", (int) json_text(message, size, text), text);
        free(text);
}

/* Prints what is there. *cursor: behind which entry to begin, and then the last one's. */
static int put_entries(const Logs *logs, char **cursor) {
        bool behind = !*cursor;
        const char *message;
        size_t size;
        int r;

        while ((r = sd_journal_next(logs->journal)) > 0) {
                if (!behind && sd_journal_test_cursor(logs->journal, *cursor) > 0)
                        continue;
                behind = true;
                freep(cursor);
                *cursor = NULL;
                r = sd_journal_get_cursor(logs->journal, cursor);
                if (r < 0)
                        return r;
                if (get_field(logs->journal, "MESSAGE", &message, &size) < 0)
                        continue;
                if (logs->json)
                        put_json(message, size);
                else
                        put_text(message, size);
        }
        return r;
}

static void put_cursor(const Logs *logs, const char *cursor) {
        if (logs->json)
                printf("{\"cursor\":\"%s\"}\n", cursor); /* letters, digits, "=" and ";" */
        else
                fprintf(stderr, "-- cursor: %s\n", cursor);
}

int job_print_logs(const char *unit, const char *since, bool json) {
        _cleanup_(logs_done) Logs logs = { .json = json };
        _cleanup_free_ char *cursor = NULL;
        int r;

        if (since && since[span_alnum(since, "=;")] != '\0') {
                log_error("--since-cursor=%s: not a cursor", since);
                return EXIT_USAGE;
        }
        journal_synchronize();
        r = open_logs(unit, since, &logs);
        if (r == -EINVAL && since) {
                log_error("--since-cursor=%s: not a cursor", since);
                return EXIT_USAGE;
        }
        if (r >= 0 && since && !(cursor = strdup(since)))
                r = -ENOMEM;
        if (r >= 0)
                r = put_entries(&logs, &cursor);
        if (r >= 0 && cursor) /* none: nothing was written yet */
                put_cursor(&logs, cursor);
        if (r < 0)
                return log_error_errno(r, "cannot read the journal: %m"), EXIT_FAILED;
        return EXIT_DONE;
}
