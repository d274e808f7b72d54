/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "berth preview": the units that the generator would make, on standard output. Nothing is written. */

#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "generator/choice.h"
#include "generator/report.h"
#include "generator/tool.h"

typedef struct Preview {
        Set *set;
        Report *report; /* what is wrong, on standard error */
        bool missing;   /* a manifest was named that is not there */
        bool any;       /* something was printed */
} Preview;

static void preview_done(Preview *p) {
        set_free(p->set);
        report_free(p->report);
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
        r = report_new(stderr, false, &p.report);
        for (size_t i = 0; r >= 0 && !tool->arguments[0] && i < set_lookup(p.set)->n; i++) {
                const Source *source = &set_lookup(p.set)->list[i];

                r = preview_one(&p, &(Choice){ .source = source, .name = source->name });
        }
        for (char **argument = tool->arguments; r >= 0 && *argument; argument++)
                r = preview_argument(&p, *argument);
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
