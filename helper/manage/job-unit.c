/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/container/inventory.h"
#include "helper/exec/detach.h"
#include "helper/manage/job.h"

/* What the manager is asked about jobs. */

#define SYSTEMD_BUS       "org.freedesktop.systemd1"
#define SYSTEMD_PATH      "/org/freedesktop/systemd1"
#define SYSTEMD_INTERFACE "org.freedesktop.systemd1.Manager"
#define UNIT_INTERFACE    "org.freedesktop.systemd1.Unit"
#define SERVICE_INTERFACE "org.freedesktop.systemd1.Service"

/* The exec's own two seconds, those that the kernel may take to kill, and some for a busy machine. */
#define STOP_SECONDS 60

#define _cleanup_reply_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_error_ _cleanup_(sd_bus_error_free)

void job_done(Job *job) {
        free(job->command);
        *job = (Job){};
}

int job_unit(const char *name, char **ret) {
        const char *dash = strrchr(name, '-');
        _cleanup_free_ char *container = dash ? strndup(name, (size_t) (dash - name)) : NULL;

        if (!container || !name_valid(container, false) || strlen(dash + 1) != JOB_ID_LENGTH ||
            dash[1 + strspn(dash + 1, "0123456789abcdef")] != '\0')
                return -EINVAL;
        return asprintf(ret, JOB_UNIT_PREFIX "%s.service", name) < 0 ? -ENOMEM : 0;
}

char *job_name(const char *unit, const char *container) {
        const char *from = startswith(unit, JOB_UNIT_PREFIX), *end = endswith(unit, ".service");
        _cleanup_free_ char *name = NULL, *again = NULL;

        if (!from || !end || from >= end)
                return NULL;
        name = strndup(from, (size_t) (end - from));
        if (!name || job_unit(name, &again) < 0)
                return NULL;
        if (container && (!startswith(name, container) || strrchr(name, '-') != name + strlen(container)))
                return NULL;
        return TAKE_PTR(name);
}

/* The object of a unit that the manager has. -ENOENT: it has none. */
static int get_path(sd_bus *bus, const char *unit, char **ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_reply_ sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "GetUnit", &error, &reply,
                               "s", unit);
        if (r < 0)
                return sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit") ? -ENOENT : r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        *ret = strdup(path);
        return *ret ? 0 : -ENOMEM;
}

/* Of an object that may go away between two questions. */
static int gone(int r, const sd_bus_error *error) {
        return r < 0 && sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT) ? -ENOENT : r;
}

static int get_end(sd_bus *bus, const char *path, Job *job) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int32_t code, status;
        int r;

        r = sd_bus_get_property_trivial(bus, SYSTEMD_BUS, path, SERVICE_INTERFACE, "ExecMainCode", &error,
                                        'i', &code);
        if (r >= 0)
                r = sd_bus_get_property_trivial(bus, SYSTEMD_BUS, path, SERVICE_INTERFACE, "ExecMainStatus",
                                                &error, 'i', &status);
        if (r >= 0)
                r = sd_bus_get_property_trivial(bus, SYSTEMD_BUS, path, SERVICE_INTERFACE,
                                                "ExecMainStartTimestamp", &error, 't', &job->started_usec);
        if (r >= 0)
                r = sd_bus_get_property_trivial(bus, SYSTEMD_BUS, path, SERVICE_INTERFACE,
                                                "ExecMainExitTimestamp", &error, 't', &job->ended_usec);
        if (r >= 0) /* 0: it never ran, which is ours to answer for */
                job->status = code == 0            ? EXIT_BERTH
                              : code == CLD_EXITED ? status
                                                   : EXIT_SIGNAL_BASE + status;
        return gone(r, &error);
}

int job_get(sd_bus *bus, const char *unit, Job *ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = NULL, *active = NULL, *sub = NULL, *description = NULL;
        _cleanup_job_ Job job = {};
        const char *command;
        int r;

        r = get_path(bus, unit, &path);
        if (r < 0)
                return r;
        r = sd_bus_get_property_string(bus, SYSTEMD_BUS, path, UNIT_INTERFACE, "ActiveState", &error,
                                       &active);
        if (r >= 0)
                r = sd_bus_get_property_string(bus, SYSTEMD_BUS, path, UNIT_INTERFACE, "SubState", &error,
                                               &sub);
        if (r >= 0)
                r = sd_bus_get_property_string(bus, SYSTEMD_BUS, path, UNIT_INTERFACE, "Description", &error,
                                               &description);
        if (r < 0)
                return gone(r, &error);
        if (streq(active, "inactive")) /* forgotten, or about to be */
                return -ENOENT;
        r = get_end(bus, path, &job);
        if (r < 0)
                return r;
        job.running = !streq(active, "failed") && !streq(sub, "exited");
        command = strstr(description, ": ");
        job.command = strdup(command ? command + 2 : "");
        if (!job.command)
                return -ENOMEM;
        *ret = job;
        job = (Job){};
        return 0;
}

int job_list_units(sd_bus *bus, char ***ret) {
        char *patterns[] = { (char[]){ JOB_UNIT_PREFIX "*.service" }, NULL };

        return bus_list_units(bus, patterns, ret);
}

static int take_no_notice(sd_bus_message *m _unused_, void *userdata _unused_,
                          sd_bus_error *error _unused_) {
        return 0;
}

/* From now on the manager tells of each change of the unit. -ENOENT: there is none. */
static int watch(sd_bus *bus, const char *unit, sd_bus_slot **ret) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = get_path(bus, unit, &path);
        if (r >= 0)
                r = sd_bus_match_signal(bus, ret, SYSTEMD_BUS, path, "org.freedesktop.DBus.Properties",
                                        "PropertiesChanged", take_no_notice, NULL);
        if (r >= 0) /* an error if we are subscribed already */
                (void) sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "Subscribe",
                                          NULL, NULL, NULL);
        return r;
}

/* Of a unit that is watched: until it does not run any more, or is forgotten. */
static int wait_for_end(sd_bus *bus, const char *unit, bool forgotten) {
        uint64_t deadline = monotonic_usec() + UINT64_C(1000000) * STOP_SECONDS;

        for (;;) {
                _cleanup_job_ Job job = {};
                int r = job_get(bus, unit, &job);

                if (r < 0 || (!job.running && !forgotten))
                        return r == -ENOENT ? 0 : r;
                r = sd_bus_process(bus, NULL); /* what came meanwhile may be the change: look again */
                if (r == 0 && monotonic_usec() < deadline)
                        r = sd_bus_wait(bus, deadline - monotonic_usec());
                if (r < 0 && r != -EINTR)
                        return r;
                if (monotonic_usec() >= deadline)
                        return -ETIMEDOUT;
        }
}

int job_stop(sd_bus *bus, const char *unit) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = watch(bus, unit, &slot);
        /* The exec passes it on and ends everything. Were the unit stopped instead, its result would be gone. */
        if (r >= 0)
                r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "KillUnit", &error,
                                       NULL, "ssi", unit, "main", SIGTERM);
        if (sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchProcess"))
                r = 0; /* it has ended meanwhile */
        return r < 0 ? r : wait_for_end(bus, unit, false);
}

/* The file of its variables, if it had any, is in the state directory of its container, if that still runs. */
static void remove_variables(const char *unit) {
        _cleanup_free_ char *name = job_name(unit, NULL);
        char path[sizeof(BERTH_CONTAINER_DIR) + 2 * NAME_LENGTH_MAX];
        const char *dash = name ? strrchr(name, '-') : NULL;

        if (!dash)
                return;
        snprintf(path, sizeof(path), "%s/%.*s/" JOB_FILE_PREFIX "%s", BERTH_CONTAINER_DIR,
                 (int) (dash - name), name, dash + 1);
        (void) unlink(path);
}

int job_forget(sd_bus *bus, const char *unit) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        remove_variables(unit);
        r = watch(bus, unit, &slot);
        /* One that failed is kept until that is reset, one that did not for as long as it is active. */
        if (r >= 0)
                r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "ResetFailedUnit",
                                       &error, NULL, "s", unit);
        if (r >= 0)
                r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "StopUnit", &error,
                                       NULL, "ss", unit, "replace");
        if (r == -ENOENT || (r < 0 && sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit")))
                return 0;
        return r < 0 ? r : wait_for_end(bus, unit, true); /* or the next list would have it still */
}

static bool container_runs(const char *job) {
        _cleanup_free_ char *name = strndup(job, (size_t) (strrchr(job, '-') - job));
        _cleanup_item_ Item item = {};

        return !name || item_open(name, &item) < 0 || item_runs(&item);
}

void jobs_clean(sd_bus *bus, char ***ret_names) {
        _cleanup_strv_ char **units = NULL;

        if (job_list_units(bus, &units) < 0)
                return;
        for (char **unit = units; unit && *unit; unit++) {
                _cleanup_free_ char *name = job_name(*unit, NULL);
                _cleanup_job_ Job job = {};

                if (!name || container_runs(name) || job_get(bus, *unit, &job) < 0 || job.running)
                        continue;
                if (job_forget(bus, *unit) >= 0)
                        (void) strv_append(ret_names, name);
        }
}
