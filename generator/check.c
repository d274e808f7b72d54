/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* berth-manifest: the verbs of berth that know manifests ("berth check" runs it). It reads what the generator
 * reads, through the same code, and writes nothing. */

#include <stdio.h>
#include <strings.h>

#include "common/contract.h"
#include "common/log.h"
#include "generator/keys.h"
#include "generator/report.h"
#include "generator/set.h"

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

static void usage(FILE *f) {
        fputs("berth-manifest check [OPTION...] [FILE|NAME...]\n"
              "berth-manifest --list-keys\n\n"
              "Tells what is wrong with manifests; without arguments, with all of them.\n\n"
              "  --json                   print one JSON object\n"
              "  --manifest-path=DIR:...  look for manifests here, first wins\n"
              "  --unit-path=DIR:...      look for units of the system here\n"
              "  --root=DIR               take both kinds of directories below DIR\n"
              "  --list-keys              print section, key and meaning of all keys, tabs between\n"
              "  --help                   print this\n"
              "  --version                print the version\n\n"
              "Exit status: 0 all is well, 1 there are errors, 2 wrong usage, 3 no such manifest.\n",
              f);
}

static void report_diags(Check *c, const Manifest *m) {
        for (size_t i = 0; i < m->diags.n; i++) {
                const Diag *d = &m->diags.list[i];

                report_add(c->report, m->path, d->level, d->line, d->column, d->message);
        }
        if (m->diags.errors + m->diags.warnings > m->diags.n)
                report_add(c->report, m->path, m->diags.errors > 0 ? DIAG_ERROR : DIAG_WARNING, 0, 0,
                           "and more; mend these first");
}

/* Checks one manifest: source, or the file at path. */
static int check_one(Check *c, const Source *source, const char *name, const char *path) {
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        _cleanup_free_ char *error = NULL;
        int r;

        r = source && !path ? set_wanted(c->set, source, &error) : set_name_wanted(c->set, name, &error);
        if (r < 0)
                return r;
        if (r == 0) {
                if (error)
                        report_add(c->report, path ? path : source->path, DIAG_ERROR, 0, 0, error);
                return 0;
        }
        r = set_compile(c->set, source, name, path, &m, &service);
        if (r < 0)
                return r;
        report_diags(c, &m);
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

static int check_all(Check *c) {
        const Lookup *l = set_lookup(c->set);
        int r;

        for (size_t i = 0; i < l->n; i++) {
                if (l->list[i].state == SOURCE_SHADOWED)
                        check_shadowed(c, &l->list[i]);
                r = check_one(c, &l->list[i], l->list[i].name, NULL);
                if (r < 0)
                        return r;
        }
        return check_cases(c);
}

/* A FILE has a slash or the suffix; anything else is a NAME. */
static int check_argument(Check *c, const char *arg) {
        const char *slash = strrchr(arg, '/'), *base = slash ? slash + 1 : arg,
                   *suffix = endswith(base, ".berth");
        const Source *source;

        if (slash || suffix) {
                _cleanup_free_ char *name = strndup(base, suffix ? (size_t) (suffix - base) : strlen(base));

                if (!name)
                        return -ENOMEM;
                if (access(arg, F_OK) < 0 && errno == ENOENT) {
                        (void) log_error_errno(ENOENT, "No manifest '%s'", arg);
                        c->missing = true;
                        return 0;
                }
                return check_one(c, NULL, name, arg);
        }
        source = lookup_find(set_lookup(c->set), arg);
        if (!source) {
                (void) log_error_errno(ENOENT, "No manifest '%s'; see berth check without arguments", arg);
                c->missing = true;
                return 0;
        }
        if (source->state == SOURCE_MASKED)
                report_add(c->report, source->path, DIAG_WARNING, 0, 0, "the manifest is masked");
        return check_one(c, source, source->name, NULL);
}

static int check(Check *c, char *const *arguments) {
        int r;

        r = set_open(&c->options, &c->set);
        if (r < 0)
                return EXIT_FAILED; /* logged */
        r = report_new(c->json, &c->report);
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

static int wrong_usage(const char *what, const char *arg) {
        log_error("%s '%s', see --help", what, arg);
        return EXIT_USAGE;
}

int main(int argc, char *argv[]) {
        _cleanup_(check_done) Check c = { 0 };
        int n = 0;

        for (int i = 1; i < argc; i++) {
                if (streq(argv[i], "--help")) {
                        usage(stdout);
                        return EXIT_DONE;
                }
                if (streq(argv[i], "--version")) {
                        puts("berth-manifest " BERTH_VERSION);
                        return EXIT_DONE;
                }
                if (streq(argv[i], "--list-keys")) {
                        keys_print(stdout);
                        return EXIT_DONE;
                }
                if (streq(argv[i], "--json"))
                        c.json = true;
                else if (streq(argv[i], "--")) {
                        while (++i < argc)
                                argv[n++] = argv[i];
                        break;
                } else if (argv[i][0] == '-') {
                        if (!set_option(&c.options, argv[i]))
                                return wrong_usage("Unknown option", argv[i]);
                } else
                        argv[n++] = argv[i];
        }
        if (n == 0 || !streq(argv[0], "check"))
                return wrong_usage("Expected the verb 'check', not", n > 0 ? argv[0] : "");
        argv[n] = NULL;
        return check(&c, argv + 1);
}
