/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "berth preview": the units that the generator would make, on standard output. Nothing is written. */

#include <json-c/json.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "generator/choice.h"
#include "generator/report.h"
#include "generator/tool.h"

typedef struct Preview {
        Set *set;
        Report *report;     /* what is wrong, on standard error */
        bool missing;       /* a manifest was named that is not there */
        bool any;           /* something was printed */
        json_object *units; /* with --json, instead */
} Preview;

static void preview_done(Preview *p) {
        set_free(p->set);
        report_free(p->report);
        json_object_put(p->units);
}

/* A file of the generator, or a link. */
static void add_unit(Preview *p, const char *path, const char *text, const char *target) {
        json_object *object = json_object_new_object();
        char full[4096];

        snprintf(full, sizeof(full), GENERATOR_DIR "/%s", path);
        json_object_object_add(object, "path", report_new_text(full));
        json_object_object_add(object, text ? "text" : "target", report_new_text(text ? text : target));
        json_object_array_add(p->units, object);
}

static void add_service(Preview *p, const Service *service) {
        add_unit(p, service->unit, service->text, NULL);
        for (size_t i = 0; i < service->further.n; i++)
                add_unit(p, service->further.list[i].path, service->further.list[i].text, NULL);
        for (size_t i = 0; i < service->links.n; i++)
                add_unit(p, service->links.list[i].path, NULL, service->links.list[i].target);
}

/* The path is the one that systemd gives to generators, whatever --root= says: where the unit will be. */
static void print_service(Preview *p, const Service *service) {
        printf("%s# " GENERATOR_DIR "/%s\n", p->any ? "\n" : "", service->unit);
        fwrite(service->text, 1, service->size, stdout);
        p->any = true;
        for (size_t i = 0; i < service->further.n; i++) {
                printf("\n# " GENERATOR_DIR "/%s\n", service->further.list[i].path);
                fwrite(service->further.list[i].text, 1, service->further.list[i].size, stdout);
        }
        for (size_t i = 0; i < service->links.n; i++)
                printf("\n# " GENERATOR_DIR "/%s -> %s\n", service->links.list[i].path,
                       service->links.list[i].target);
}

static int preview_one(Preview *p, const Choice *choice) {
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        _cleanup_free_ char *error = NULL;
        int r;

        r = choice_wanted(p->set, choice, &error);
        if (r < 0)
                return r;
        if (r == 0) {
                if (error)
                        report_add(p->report, choice->path ? choice->path : choice->source->path, DIAG_ERROR,
                                   0, 0, error);
                return 0;
        }
        r = set_compile(p->set, choice->source, choice->name, choice->path, &m, &service);
        if (r < 0)
                return r;
        report_manifest(p->report, &m);
        if (p->units)
                add_service(p, &service);
        else
                print_service(p, &service);
        return 0;
}

static int preview_argument(Preview *p, const char *argument) {
        _cleanup_choice_ Choice choice = { 0 };
        int r = choice_make(p->set, argument, &choice);

        if (r == -ENOENT) {
                p->missing = true;
                return 0;
        }
        if (r < 0)
                return r;
        if (choice.source && choice.source->state == SOURCE_MASKED)
                report_add(p->report, choice.source->path, DIAG_WARNING, 0, 0,
                           "the manifest is masked and makes no unit");
        return preview_one(p, &choice);
}

int verb_preview(const Tool *tool) {
        _cleanup_(preview_done) Preview p = { 0 };
        int r;

        r = set_open(&tool->set, &p.set);
        if (r < 0)
                return EXIT_FAILED; /* logged */
        p.units = tool->json ? json_object_new_array() : NULL;
        r = report_new(stderr, false, &p.report);
        for (size_t i = 0; r >= 0 && !tool->arguments[0] && i < set_lookup(p.set)->n; i++) {
                const Source *source = &set_lookup(p.set)->list[i];

                r = preview_one(&p, &(Choice){ .source = source, .name = source->name });
        }
        for (char **argument = tool->arguments; r >= 0 && *argument; argument++)
                r = preview_argument(&p, *argument);
        if (r >= 0 && p.units)
                puts(json_object_to_json_string_ext(
                                p.units, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        if (r >= 0)
                r = report_finish(p.report);
        if (r < 0) {
                (void) log_oom();
                return EXIT_FAILED;
        }
        if (p.missing)
                return EXIT_NO_SUCH;
        return r > 0 ? EXIT_FAILED : EXIT_DONE;
}
