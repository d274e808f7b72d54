/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "berth check": what is wrong with manifests. Reads what the generator reads, through the same code, and writes
 * nothing. */

#include <stdio.h>
#include <strings.h>

#include "common/contract.h"
#include "common/log.h"
#include "generator/choice.h"
#include "generator/lint.h"
#include "generator/report.h"
#include "generator/tool.h"

typedef struct Check {
        SetOptions options;
        Set *set;
        Report *report;
        bool json;
        bool missing; /* a manifest was named that is not there */
} Check;

static void check_done(Check *c) {
        set_free(c->set);
        report_free(c->report);
}

/* Checks one manifest. */
static int check_one(Check *c, const Choice *choice) {
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        _cleanup_free_ char *error = NULL;
        int r;

        r = choice_wanted(c->set, choice, &error);
        if (r < 0)
                return r;
        if (r == 0) {
                if (error)
                        report_add(c->report, choice->path ? choice->path : choice->source->path, DIAG_ERROR,
                                   0, 0, error);
                return 0;
        }
        r = set_compile(c->set, choice->source, choice->name, choice->path, &m, &service);
        if (r < 0)
                return r;
        lint_manifest(&m);
        report_manifest(c->report, &m);
        return 0;
}

/* A source that another one takes the place of. */
static void check_shadowed(Check *c, const Source *source) {
        const Source *first = lookup_find(set_lookup(c->set), source->name);
        char message[8192];

        snprintf(message, sizeof(message), "this file is not read: %s %s", first->path,
                 first->state == SOURCE_MASKED ? "masks it" : "has the same name and comes first");
        report_add(c->report, source->path, DIAG_WARNING, 0, 0, message);
}

typedef struct Folded {
        const Source *source;
} Folded;

static int compare_folded(const void *a, const void *b) {
        const Folded *x = a, *y = b;
        int r = strcasecmp(x->source->name, y->source->name);

        return r != 0 ? r : strcmp(x->source->name, y->source->name);
}

/* "Web" and "web" are two services, but one host name and, to many people, one name. */
static int check_cases(Check *c) {
        const Lookup *l = set_lookup(c->set);
        _cleanup_free_ Folded *folded = calloc(l->n + 1, sizeof(Folded));
        size_t n = 0;

        if (!folded)
                return -ENOMEM;
        for (size_t i = 0; i < l->n; i++)
                if (l->list[i].state == SOURCE_MANIFEST)
                        folded[n++].source = &l->list[i];
        if (n > 1)
                qsort(folded, n, sizeof(Folded), compare_folded);
        for (size_t i = 1; i < n; i++) {
                char message[8192];

                if (strcasecmp(folded[i].source->name, folded[i - 1].source->name) != 0)
                        continue;
                snprintf(message, sizeof(message),
                         "the name differs from that of %s in upper and lower case only",
                         folded[i - 1].source->path);
                report_add(c->report, folded[i].source->path, DIAG_WARNING, 0, 0, message);
        }
        return 0;
}

/* What nobody reads may be what was to protect somebody. */
static void check_orphan(void *data, const char *path) {
        Check *c = data;

        report_add(c->report, path, DIAG_WARNING, 0, 0,
                   "there is no manifest that these drop-ins apply to; rename or remove the directory");
}

static int check_all(Check *c) {
        const Lookup *l = set_lookup(c->set);
        int r;

        for (size_t i = 0; i < l->n; i++) {
                if (l->list[i].state == SOURCE_SHADOWED)
                        check_shadowed(c, &l->list[i]);
                r = check_one(c, &(Choice){ .source = &l->list[i], .name = l->list[i].name });
                if (r < 0)
                        return r;
        }
        r = set_each_orphan(c->set, check_orphan, c);
        return r < 0 ? r : check_cases(c);
}

static int check_argument(Check *c, const char *argument) {
        _cleanup_choice_ Choice choice = { 0 };
        int r = choice_make(c->set, argument, &choice);

        if (r == -ENOENT)
                c->missing = true;
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (choice.source && choice.source->state == SOURCE_MASKED)
                report_add(c->report, choice.source->path, DIAG_WARNING, 0, 0, "the manifest is masked");
        return check_one(c, &choice);
}

static int check(Check *c, char *const *arguments) {
        int r;

        r = set_open(&c->options, &c->set);
        if (r < 0)
                return EXIT_FAILED; /* logged */
        r = report_new(stdout, c->json, &c->report);
        if (r >= 0 && !arguments[0])
                r = check_all(c);
        for (; r >= 0 && *arguments; arguments++)
                r = check_argument(c, *arguments);
        if (r >= 0)
                r = report_finish(c->report);
        if (r < 0) {
                (void) log_oom();
                return EXIT_FAILED;
        }
        if (c->missing)
                return EXIT_NO_SUCH;
        return r > 0 ? EXIT_FAILED : EXIT_DONE;
}

int verb_check(const Tool *tool) {
        _cleanup_(check_done) Check c = { .options = tool->set, .json = tool->json };

        return check(&c, tool->arguments);
}
