/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/job.h"

#include <stdio.h>
#include <time.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/container/inventory.h"
#include "helper/container/known.h"
#include "helper/text/print.h"
#include "helper/verbs/subverbs.h"

/* berth job: what the manager knows of the units of "exec --detach". */

static int no_bus(void) {
        log_error("jobs are units of systemd, and there is no system bus");
        return EXIT_FAILED;
}

/* Looks a job up by the name that somebody gave. Returns the exit status, 0 for found; logs. */
static int look(sd_bus *bus, const char *name, Job *ret, char **ret_unit) {
        _cleanup_free_ char *unit = NULL;
        int r;

        if (!bus)
                return no_bus();
        r = job_unit(name, &unit);
        if (r >= 0)
                r = job_get(bus, unit, ret);
        if (r == -ENOENT || r == -EINVAL) {
                log_error("no job '%s', see berth job list", name);
                return EXIT_NO_SUCH;
        }
        if (r < 0)
                return log_error_errno(r, "cannot look at job '%s': %m", name), EXIT_FAILED;
        *ret_unit = TAKE_PTR(unit);
        return EXIT_DONE;
}

static const char *state_of(const Job *job) {
        return job->running ? "running" : job->status == EXIT_TIMED_OUT ? "timed out" : "ended";
}

static uint64_t runtime_usec(const Job *job) {
        uint64_t end = job->running ? clock_usec(CLOCK_REALTIME) : job->ended_usec;

        return end > job->started_usec ? end - job->started_usec : 0;
}

enum { NAME, STATE, STATUS, STARTED, RUNTIME, COMMAND, _COLUMNS };

static int add_row(const char *name, const Job *job, char ***cells) {
        char started[32];
        int r;

        format_time(job->started_usec, /* utc= */ false, started);
        r = strv_append(cells, name);
        if (r >= 0)
                r = strv_append(cells, state_of(job));
        if (r >= 0)
                r = job->running ? strv_append(cells, "-") : strv_appendf(cells, "%d", job->status);
        if (r >= 0)
                r = strv_append(cells, job->started_usec > 0 ? started : "-");
        if (r >= 0)
                r = strv_appendf(cells, "%.1fs", (double) runtime_usec(job) / 1e6);
        if (r >= 0)
                r = strv_append(cells, job->command);
        return r;
}

static int add_object(const char *name, const Job *job, json_object *array) {
        json_object *object = json_object_new_object();
        const char *dash = strrchr(name, '-');
        _cleanup_free_ char *container = strndup(name, (size_t) (dash - name));
        char started[32], ended[32];

        if (json_append(array, object) < 0 || !container)
                return -ENOMEM;
        format_time(job->started_usec, /* utc= */ true, started);
        format_time(job->ended_usec, /* utc= */ true, ended);
        json_add_string(object, "job", name);
        json_add_string(object, "container", container);
        json_add_string(object, "state", state_of(job));
        json_object_object_add(object, "exit_status",
                               job->running ? NULL : json_object_new_int(job->status));
        json_add_string(object, "started", job->started_usec > 0 ? started : NULL);
        json_add_string(object, "ended", job->running || job->ended_usec == 0 ? NULL : ended);
        json_object_object_add(object, "runtime_ms", json_object_new_uint64(runtime_usec(job) / 1000));
        json_add_string(object, "command", job->command);
        return 0;
}

static int list_jobs(const SubverbCall *call) {
        static const char *const headings[_COLUMNS] = { "JOB",     "STATE",   "EXIT",
                                                        "STARTED", "RUNTIME", "COMMAND" };
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_strv_ char **units = NULL, **cells = NULL;
        bool json = subverb_has(call, JOB_JSON), found = false;
        int r;

        if (!bus)
                return no_bus();
        r = array ? job_list_units(bus, &units) : -ENOMEM;
        for (size_t i = 0; r >= 0 && !subverb_has(call, JOB_NO_LEGEND) && i < _COLUMNS; i++)
                r = strv_append(&cells, headings[i]);
        for (char **unit = units; r >= 0 && unit && *unit; unit++) {
                _cleanup_free_ char *name = job_name(*unit, call->operands[0]);
                _cleanup_job_ Job job = {};

                if (!name || job_get(bus, *unit, &job) < 0) /* it went away meanwhile */
                        continue;
                found = true;
                r = json ? add_object(name, &job, array) : add_row(name, &job, &cells);
        }
        if (r < 0)
                return log_error_errno(r, "cannot list the jobs: %m"), EXIT_FAILED;
        if (call->operands[0] && !found && known_check(call->operands[0]) != EXIT_DONE)
                return EXIT_NO_SUCH;
        if (json)
                print_json(array);
        else
                print_table(cells, _COLUMNS);
        return EXIT_DONE;
}

static int stop_one(sd_bus *bus, const char *name, json_object *array) {
        _cleanup_free_ char *unit = NULL;
        _cleanup_job_ Job job = {}, after = {};
        int status = look(bus, name, &job, &unit), r;

        if (status != EXIT_DONE)
                return status;
        r = job.running ? job_stop(bus, unit) : 0;
        if (r < 0)
                return log_error_errno(r, "cannot stop job '%s': %m", name), EXIT_FAILED;
        return add_object(name, job_get(bus, unit, &after) < 0 ? &job : &after, array) < 0 ? EXIT_FAILED
                                                                                           : EXIT_DONE;
}

static int remove_one(sd_bus *bus, const char *name, json_object *array) {
        _cleanup_free_ char *unit = NULL;
        _cleanup_job_ Job job = {};
        int status = look(bus, name, &job, &unit), r;

        if (status != EXIT_DONE)
                return status;
        if (job.running) {
                log_error("job '%s' is running; end it first: berth job stop %s", name, name);
                return EXIT_FAILED;
        }
        r = job_forget(bus, unit);
        if (r < 0)
                return log_error_errno(r, "cannot remove job '%s': %m", name), EXIT_FAILED;
        return add_object(name, &job, array) < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* All of them, even if one fails; in the array are those for which it was done. */
static int for_each(const SubverbCall *call, int (*one)(sd_bus *bus, const char *name, json_object *array)) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_json_ json_object *array = json_object_new_array();
        int status = array ? EXIT_DONE : (log_oom(), EXIT_FAILED);

        for (char **name = call->operands; array && *name; name++) {
                int k = one(bus, *name, array);

                status = status == EXIT_DONE ? k : status;
        }
        if (array && subverb_has(call, JOB_JSON))
                print_json(array);
        return status;
}

static int stop_jobs(const SubverbCall *call) {
        return for_each(call, stop_one);
}

static int remove_jobs(const SubverbCall *call) {
        return for_each(call, remove_one);
}

static int show_logs(const SubverbCall *call) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_free_ char *unit = NULL;
        _cleanup_job_ Job job = {};
        int status = look(bus, call->operands[0], &job, &unit);

        if (status != EXIT_DONE)
                return status;
        return job_print_logs(unit, subverb_value(call, JOB_SINCE_CURSOR), subverb_has(call, JOB_JSON));
}

int verb_job(int argc _unused_, char *argv[]) {
        static const SubverbFunction functions[] = {
                { "list", list_jobs },
                { "logs", show_logs },
                { "stop", stop_jobs },
                { "remove", remove_jobs },
        };

        return subverbs_run(verb_find("job"), argv, functions, ARRAY_LEN(functions));
}
