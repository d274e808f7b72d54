/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/report.h"

#include <json-c/json.h>
#include <stdio.h>

#include "common/utf8.h"

struct Report {
        FILE *f;
        json_object *findings; /* NULL: lines */
        size_t errors, warnings;
        bool failed;
};

Report *report_free(Report *r) {
        if (r)
                json_object_put(r->findings);
        free(r);
        return NULL;
}

int report_new(FILE *f, bool json, Report **ret) {
        _cleanup_report_ Report *r = NULL;

        r = calloc(1, sizeof(Report));
        if (!r)
                return -ENOMEM;
        r->f = f;
        if (json) {
                r->findings = json_object_new_array();
                if (!r->findings)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(r);
        return 0;
}

/* Takes value. */
static void set(Report *r, json_object *object, const char *key, json_object *value) {
        if (!value || json_object_object_add(object, key, value) < 0)
                r->failed = true;
}

json_object *report_new_text(const char *s) {
        _cleanup_free_ char *copy = strdup(s);

        if (!copy)
                return NULL;
        for (size_t n = strlen(copy), i; (i = utf8_valid_prefix(copy, n)) < n;)
                copy[i] = '?';
        return json_object_new_string(copy);
}

static void add_object(Report *r, const char *path, DiagLevel level, unsigned line, unsigned column,
                       const char *message) {
        json_object *object = json_object_new_object();

        if (!object) {
                r->failed = true;
                return;
        }
        set(r, object, "file", report_new_text(path));
        set(r, object, "line", json_object_new_int64(line));
        set(r, object, "column", json_object_new_int64(column));
        set(r, object, "level", json_object_new_string(level == DIAG_ERROR ? "error" : "warning"));
        set(r, object, "message", report_new_text(message));
        if (json_object_array_add(r->findings, object) < 0) {
                json_object_put(object);
                r->failed = true;
        }
}

/* Prints text that may hold anything on one line of a terminal. */
static void print_clean(FILE *f, const char *s) {
        _cleanup_free_ char *copy = strdup(s);

        if (copy) {
                utf8_disarm(copy, strlen(copy));
                fputs(copy, f);
        }
}

void report_add(Report *r, const char *path, DiagLevel level, unsigned line, unsigned column,
                const char *message) {
        if (level == DIAG_ERROR)
                r->errors++;
        else
                r->warnings++;
        if (r->findings) {
                add_object(r, path, level, line, column, message);
                return;
        }
        print_clean(r->f, path);
        if (line > 0)
                fprintf(r->f, ":%u:%u", line, column);
        fprintf(r->f, ": %s: ", level == DIAG_ERROR ? "error" : "warning");
        print_clean(r->f, message);
        fputc('\n', r->f);
}

void report_manifest(Report *r, const Manifest *m) {
        for (size_t i = 0; i < m->diags.n; i++) {
                const Diag *d = &m->diags.list[i];

                report_add(r, diags_path(&m->diags, d->line), d->level, place_line(d->line), d->column,
                           d->message);
        }
        if (m->diags.errors + m->diags.warnings > m->diags.n)
                report_add(r, m->path, m->diags.errors > 0 ? DIAG_ERROR : DIAG_WARNING, 0, 0,
                           "and more; mend these first");
}

int report_finish(Report *r) {
        if (r->findings && !r->failed) {
                json_object *object = json_object_new_object();

                if (!object)
                        return -ENOMEM;
                set(r, object, "errors", json_object_new_int64((int64_t) r->errors));
                set(r, object, "warnings", json_object_new_int64((int64_t) r->warnings));
                set(r, object, "findings", json_object_get(r->findings));
                if (!r->failed)
                        fprintf(r->f, "%s\n",
                                json_object_to_json_string_ext(
                                                object,
                                                JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
                json_object_put(object);
        }
        if (r->failed)
                return -ENOMEM;
        return r->errors > 0;
}
