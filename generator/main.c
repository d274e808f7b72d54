/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* berth-generator: systemd.generator(7) for manifests. Policy stands here and only here: one bad manifest never
 * touches another, and what is wrong is told in its unit, on stderr and, when systemd runs us, in the kernel's
 * log. */

#include <stdio.h>

#include "common/log.h"
#include "common/names.h"
#include "generator/command.h"
#include "generator/output.h"
#include "generator/set.h"
#include "generator/workers.h"

/* Lines for the log of one file, and in all: the kernel's log is small, and the units hold every one. */
#define LOGGED_OF_FILE 5
#define LOGGED_MAX     200

typedef struct Run {
        SetOptions set;
        const char *normal;
        bool offline; /* run by a person on other directories: nothing goes to the kernel's log */
        unsigned logged, unlogged;
        int result;
} Run;

static void usage(FILE *f) {
        fputs("berth-generator [OPTION...] NORMAL [EARLY LATE]\n\n"
              "Makes a systemd service in the directory NORMAL of each manifest *.berth.\n\n"
              "  --manifest-path=DIR:...  look for manifests here, first wins, in the place of\n"
              "                           " LOOKUP_MANIFEST_PATH "\n"
              "  --unit-path=DIR:...      look for units of the system here, which no manifest replaces\n"
              "  --root=DIR               take both kinds of directories below DIR\n"
              "  --help                   print this\n"
              "  --version                print the version\n",
              f);
}

/* Is there room for one more line in the log? */
static bool run_may_log(Run *run) {
        if (run->logged < LOGGED_MAX) {
                run->logged++;
                return true;
        }
        run->unlogged++;
        return false;
}

static void log_diags(Run *run, const Manifest *m) {
        char message[COMMAND_MESSAGE_SIZE];
        unsigned told = 0;

        for (size_t i = 0; i < m->diags.n; i++) {
                if (told == LOGGED_OF_FILE) {
                        if (run_may_log(run))
                                log_error("%s: and %zu more; run: berth check %s", m->path,
                                          m->diags.errors + m->diags.warnings - told, m->name);
                        return;
                }
                command_message(m, &m->diags.list[i], message);
                if (run_may_log(run))
                        (void) log_full(m->diags.list[i].level == DIAG_ERROR ? LOG_ERR : LOG_WARNING, 0,
                                        "%s", message);
                told++;
        }
}

/* Tells why a manifest gets no unit, if it gets none. */
static int run_unwanted(Run *run, Set *set, const Source *source, Output *output) {
        _cleanup_free_ char *error = NULL;
        char unit[NAME_LENGTH_MAX + sizeof(".service")];
        int r;

        r = set_wanted(set, source, &error);
        if (r != 0)
                return r < 0 ? log_oom() : 0;
        if (error && run_may_log(run))
                log_error("%s: %s", source->path, error);
        if (!set_masks_instance(set, source))
                return 0;
        snprintf(unit, sizeof(unit), "%s.service", source->name);
        return output_mask(output, unit);
}

static int run_wanted(Run *run, Set *set, const Source *source, Output *output) {
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        _cleanup_free_ char *error = NULL;
        int r;

        r = set_wanted(set, source, &error);
        if (r <= 0)
                return r < 0 ? log_oom() : 0;
        r = set_compile(set, source, source->name, NULL, &m, &service);
        if (r < 0)
                return log_error_errno(r, "%s: %m", source->path);
        log_diags(run, &m);
        return output_write(output, &service); /* logs */
}

/* What workers have of a run. */
typedef struct Shift {
        const Run *run;
        Set *set;
        Output output; /* each worker's own */
} Shift;

static bool shift_begin(void *data) {
        Shift *shift = data;

        log_mute(); /* what is to be said the parent says, in order */
        return output_open(&shift->output, shift->run->normal) >= 0;
}

/* Writes one service, if there is nothing to say about it and nothing to remember for those behind it. The rest is
 * left to run_rest(): what comes out is the same, whoever did it. */
static bool shift_item(void *data, size_t i) {
        Shift *shift = data;
        const Source *source = &set_lookup(shift->set)->list[i];
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        _cleanup_free_ char *error = NULL;

        return set_wanted(shift->set, source, &error) > 0 &&
               set_compile(shift->set, source, source->name, NULL, &m, &service) >= 0 && m.diags.n == 0 &&
               !set_remembers(shift->set) && output_write(&shift->output, &service) >= 0;
}

/* What no worker did. First those without a unit: the log is the only place where they are told, and the kernel may
 * drop what comes behind ten records in five seconds (printk_ratelimit). All others say it again when started. */
static int run_rest(Run *run, Set *set, const bool *done, Output *output) {
        static int (*const rounds[])(Run *, Set *, const Source *, Output *) = { run_unwanted, run_wanted };
        int r = 0;

        for (size_t round = 0; round < ARRAY_LEN(rounds); round++)
                for (size_t i = 0; i < set_lookup(set)->n; i++) {
                        int k = done && done[i] ? 0
                                                : rounds[round](run, set, &set_lookup(set)->list[i], output);

                        if (k < 0)
                                r = k;
                }
        return r;
}

static int run_all(Run *run) {
        _cleanup_set_ Set *set = NULL;
        _cleanup_output_ Output output = { .dir_fd = -EBADF, .links_fd = -EBADF };
        _cleanup_workers_ Workers workers = { 0 };
        Shift shift = { .run = run };
        int r, k;

        r = set_open(&run->set, &set);
        if (r >= 0)
                r = output_open(&output, run->normal);
        if (r < 0)
                return r;
        shift.set = set;
        r = workers_run(&(WorkersJob){ &shift, shift_begin, shift_item }, set_lookup(set)->n, &workers);
        k = run_rest(run, set, workers.done, &output);
        if (k < 0)
                r = k;
        if (run->unlogged > 0)
                log_error("%u more messages are not shown; run: berth check", run->unlogged);
        return r;
}

/* 1: go on; 0: done; negative: told to be wrong. */
static int parse_arguments(int argc, char *argv[], Run *run) {
        int positional = 0;

        for (int i = 1; i < argc; i++) {
                if (streq(argv[i], "--help")) {
                        usage(stdout);
                        return 0;
                }
                if (streq(argv[i], "--version")) {
                        puts("berth-generator " BERTH_VERSION);
                        return 0;
                }
                if (set_option(&run->set, argv[i])) {
                        run->offline = true;
                        continue;
                }
                if (argv[i][0] == '-')
                        return log_error_errno(EINVAL, "unknown option '%s', see --help", argv[i]);
                /* systemd.generator(7): units that are not to override the administrator's go to the first. */
                if (positional++ == 0)
                        run->normal = argv[i];
        }
        if (positional != 1 && positional != 3)
                return log_error_errno(EINVAL, "expected one directory or three, see --help");
        return 1;
}

int main(int argc, char *argv[]) {
        const char *initrd = getenv("SYSTEMD_IN_INITRD");
        Run run = { 0 };
        int r;

        /* Manifests are those of the system that is being booted, not of the initrd. */
        if (initrd && streq(initrd, "1"))
                return EXIT_SUCCESS;
        r = parse_arguments(argc, argv, &run);
        if (r <= 0)
                return r < 0 ? 2 : EXIT_SUCCESS;
        if (!run.offline)
                log_to_kmsg("berth-generator");
        return run_all(&run) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
