/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/container/state.h"
#include "helper/exec/detach.h"
#include "helper/manage/describe.h"
#include "helper/manage/job.h"
#include "helper/manage/scope-properties.h"
#include "helper/manage/transient.h"
#include "helper/verbs/verbs.h"

/* berth job-start: what exec --detach executes. The job is a service beside the container's, which runs the same exec in
 * the foreground: its time limit, and the end of all that it has started, are that one's. It writes what the command
 * writes into the journal as lines of JSON, so that the streams stay apart and every byte is there. Its result stays in
 * the manager until "berth job remove". */

/* Of one container, those that have ended included: who may start jobs need not be one who may fill the manager. */
#define JOBS_MAX 256

/* The words behind "--" of the exec's. */
static char *const *find_command(char *const *words) {
        while (*words && !streq(*words, "--"))
                words++;
        return *words ? words + 1 : words;
}

/* In the container's slice, for its limits hold for the exec's client as well, and after its unit, so that at shutdown
 * the client ends first. */
static int add_place(sd_bus *bus, Transient *transient, const State *state) {
        _cleanup_free_ char *slice = NULL;
        char *after[] = { state->unit, NULL };
        int r;

        if (!state->unit) /* launched by hand */
                return 0;
        r = bus_get_unit_slice(bus, state->unit, &slice);
        if (r < 0)
                return r;
        r = transient_add(transient, "Slice", "s", slice);
        return r < 0 ? r : transient_add_strv(transient, "After", after);
}

static int add_properties(sd_bus *bus, Transient *transient, const State *state, const char *job,
                          char *const *words) {
        static const char *const before[] = { BERTH_BINDIR "/berth", "exec", "--json=stream",
                                              "--max-output=0" };
        _cleanup_free_ char *description = NULL;
        _cleanup_strv_ char **argv = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(before); i++)
                r = strv_append(&argv, before[i]);
        for (char *const *word = words; r >= 0 && *word; word++)
                r = strv_append(&argv, *word);
        if (r >= 0)
                r = describe("job", job, find_command(words), &description);
        if (r >= 0)
                r = transient_add(transient, "Description", "s", description);
        if (r >= 0)
                r = add_place(bus, transient, state);
        if (r >= 0)
                r = transient_add_command(transient, "ExecStartEx", argv);
        if (r >= 0)
                r = transient_add(transient, "Type", "s", "exec");
        if (r >= 0) /* its result stays */
                r = transient_add(transient, "RemainAfterExit", "b", 1);
        if (r >= 0)
                r = transient_add(transient, "StandardInput", "s", "null");
        if (r >= 0)
                r = transient_add(transient, "StandardOutput", "s", "journal");
        if (r >= 0)
                r = transient_add(transient, "StandardError", "s", "journal");
        if (r >= 0)
                r = transient_add(transient, "SyslogIdentifier", "s", job);
        if (r >= 0) /* the exec passes TERM on, two seconds later KILL */
                r = transient_add(transient, "KillMode", "s", "mixed");
        return r;
}

static int check_number(sd_bus *bus, const char *container) {
        _cleanup_strv_ char **units = NULL;
        unsigned n = 0;
        int r = job_list_units(bus, &units);

        if (r < 0)
                return log_error_errno(r, "cannot list the jobs: %m");
        for (char **unit = units; unit && *unit; unit++) {
                _cleanup_free_ char *name = job_name(*unit, container);

                n += name != NULL;
        }
        if (n >= JOBS_MAX)
                return log_error_errno(ENOSPC, "container '%s' has %u jobs; forget some: berth job remove",
                                       container, n);
        return 0;
}

/* Those of --scope -p: what is wrong with them is better said now than in the job's journal. */
static int check_properties(char *const *words) {
        int r = 0;

        for (; r >= 0 && *words && !streq(*words, "--"); words++)
                if (startswith(*words, "--property="))
                        r = scope_property_check(*words + strlen("--property="));
        return r;
}

static int start(const char *name, const char *id, char *const *words) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        char job[NAME_LENGTH_MAX + JOB_ID_LENGTH + 2],
                        unit[sizeof(JOB_UNIT_PREFIX ".service") + sizeof(job)];
        _cleanup_transient_ Transient transient = {};
        _cleanup_free_ char *error = NULL;
        _cleanup_state_ State state = {};
        int r;

        if (!bus)
                return log_error_errno(ENOTCONN, "--detach needs systemd, and there is no system bus");
        r = check_properties(words);
        if (r < 0)
                return r;
        r = state_read(name, &state);
        if (r < 0)
                return log_error_errno(r, "cannot read the state of container '%s': %m", name);
        r = check_number(bus, name);
        if (r < 0)
                return r;
        snprintf(job, sizeof(job), "%s-%s", name, id);
        snprintf(unit, sizeof(unit), JOB_UNIT_PREFIX "%s.service", job);
        r = transient_begin(bus, unit, "fail", &transient);
        if (r >= 0)
                r = add_properties(bus, &transient, &state, job, words);
        if (r >= 0)
                r = transient_start(bus, &transient, &error);
        if (r < 0) {
                if (error)
                        log_error("cannot start '%s': %s", unit, error);
                else
                        log_error_errno(r, "cannot start '%s': %m", unit);
                return r;
        }
        puts(job);
        return 0;
}

int verb_job_start(int argc _unused_, char *argv[]) {
        OptionParser parser = { .options = job_start_options, .argv = argv, .command = true };
        const char *value, *name = NULL, *id = NULL;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == JOB_START_NAME)
                        name = value;
                else if (r == JOB_START_ID)
                        id = value;
                else if (r == OPTIONS_HELP)
                        return verb_help("job-start");
                else
                        return EXIT_BERTH;
        }
        if (!name || !name_valid(name, false) || !id || strlen(id) != JOB_ID_LENGTH || !parser.rest[0]) {
                log_error("job-start is called by exec --detach");
                return EXIT_BERTH;
        }
        if (start(name, id, parser.rest) < 0) {
                char path[sizeof(BERTH_CONTAINER_DIR) + 2 * NAME_LENGTH_MAX];

                /* its variables, if it has any */
                snprintf(path, sizeof(path), "%s/%s/" JOB_FILE_PREFIX "%s", BERTH_CONTAINER_DIR, name, id);
                (void) unlink(path);
                return EXIT_BERTH;
        }
        return EXIT_DONE;
}
