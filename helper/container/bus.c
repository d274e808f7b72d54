/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/bus.h"

#include <signal.h>
#include <stdio.h>

#include "common/strv.h"

#define SYSTEMD_BUS       "org.freedesktop.systemd1"
#define SYSTEMD_PATH      "/org/freedesktop/systemd1"
#define SYSTEMD_INTERFACE "org.freedesktop.systemd1.Manager"
#define UNIT_INTERFACE    "org.freedesktop.systemd1.Unit"
#define SERVICE_INTERFACE "org.freedesktop.systemd1.Service"
#define SOCKET_INTERFACE  "org.freedesktop.systemd1.Socket"

#define MACHINED_BUS       "org.freedesktop.machine1"
#define MACHINED_PATH      "/org/freedesktop/machine1"
#define MACHINED_INTERFACE "org.freedesktop.machine1.Manager"
#define MACHINE_INTERFACE  "org.freedesktop.machine1.Machine"

#define _cleanup_reply_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_error_ _cleanup_(sd_bus_error_free)

sd_bus *bus_open(void) {
        sd_bus *bus = NULL;

        return sd_bus_open_system(&bus) < 0 ? NULL : bus;
}

/* Nobody there is one errno, whatever the bus calls it. */
static int map_error(const sd_bus_error *error, int r) {
        static const char *const absent[] = {
                SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                SD_BUS_ERROR_NO_REPLY,
                SD_BUS_ERROR_DISCONNECTED,
                "org.freedesktop.systemd1.UnitMasked",
                "org.freedesktop.systemd1.NoSuchUnit",
                "org.freedesktop.DBus.Error.Spawn.ServiceNotFound",
        };

        for (size_t i = 0; i < ARRAY_LEN(absent); i++)
                if (sd_bus_error_has_name(error, absent[i]))
                        return -ENOTCONN;
        if (sd_bus_error_has_name(error, "org.freedesktop.machine1.NoSuchMachine"))
                return -ENOENT;
        return r;
}

void unit_status_done(UnitStatus *status) {
        free(status->load);
        free(status->active);
        free(status->sub);
        free(status->result);
        free(status->source);
        strv_free(status->command);
        for (size_t i = 0; i < status->n_failed; i++)
                strv_free(status->failed[i].words);
        free(status->failed);
        *status = (UnitStatus){};
}

/* What of a unit's properties is looked at. */
typedef struct Times {
        uint64_t limit, start_limit, active_from, active_to, began, inactive_from;
        char *type;
} Times;

/* "timeout" is the result of a start or a stop that took too long as well; systemd keeps no other word. */
static bool ran_out_of_time(const Times *times) {
        bool job = times->type && streq(times->type, "oneshot");
        uint64_t limit = job ? times->start_limit : times->limit;
        uint64_t from = job ? times->began : times->active_from;
        uint64_t to = job ? times->inactive_from : times->active_to;

        return limit > 0 && limit != UINT64_MAX && from >= times->began && from > 0 && to >= from &&
               to - from >= limit;
}

static void failed_done(FailedCommand *failed) {
        strv_free(failed->words);
}
#define _cleanup_failed_ _cleanup_(failed_done)

static int add_failed(UnitStatus *status, FailedCommand *failed) {
        FailedCommand *grown = reallocarray(status->failed, status->n_failed + 1, sizeof(FailedCommand));

        if (!grown)
                return -ENOMEM;
        status->failed = grown;
        status->failed[status->n_failed++] = *failed;
        *failed = (FailedCommand){};
        return 0;
}

/* One of a(sasbttttuii), org.freedesktop.systemd1(5): path, words, whether failure is ignored, begin and end by both
 * clocks, pid, how it ended. */
static int read_command(sd_bus_message *reply, const char *directive, UnitStatus *status) {
        _cleanup_failed_ FailedCommand command = { .directive = directive };
        int r;

        r = sd_bus_message_skip(reply, "s");
        if (r >= 0)
                r = sd_bus_message_read_strv(reply, &command.words);
        if (r >= 0)
                r = sd_bus_message_skip(reply, "btt");
        if (r >= 0)
                r = sd_bus_message_read(reply, "ttuii", &command.ended_usec, NULL, NULL, &command.exit_code,
                                        &command.exit_status);
        if (r < 0)
                return r;
        if (streq(directive, "ExecStart")) { /* its end is that of the unit's main process */
                if (!status->command)
                        status->command = TAKE_PTR(command.words);
                return 0;
        }
        if (command.ended_usec == 0 || (command.exit_code == CLD_EXITED && command.exit_status == 0))
                return 0;
        return add_failed(status, &command);
}

static int read_commands(sd_bus_message *reply, const char *directive, UnitStatus *status) {
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "a(sasbttttuii)");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sasbttttuii)");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "sasbttttuii")) > 0) {
                r = read_command(reply, directive, status);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* The value of a property goes where its name says; others are passed over. */
static int take_property(sd_bus_message *reply, const char *property, UnitStatus *status, Times *times) {
        static const char *const commands[] = { "ExecStart",  "ExecStartPre", "ExecStartPost",
                                                "ExecReload", "ExecStop",     "ExecStopPost" };
        const struct {
                const char *property;
                char type; /* of D-Bus */
                void *to;
        } rows[] = {
                { "LoadState", 's', &status->load },
                { "ActiveState", 's', &status->active },
                { "SubState", 's', &status->sub },
                { "SourcePath", 's', &status->source },
                { "Result", 's', &status->result },
                { "Type", 's', &times->type },
                { "ExecMainCode", 'i', &status->exit_code },
                { "ExecMainStatus", 'i', &status->exit_status },
                { "ExecMainExitTimestamp", 't', &status->ended_usec },
                { "RuntimeMaxUSec", 't', &times->limit },
                { "TimeoutStartUSec", 't', &times->start_limit },
                { "ActiveEnterTimestampMonotonic", 't', &times->active_from },
                { "ActiveExitTimestampMonotonic", 't', &times->active_to },
                { "InactiveExitTimestampMonotonic", 't', &times->began },
                { "InactiveEnterTimestampMonotonic", 't', &times->inactive_from },
        };

        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
                if (streq(property, commands[i]))
                        return read_commands(reply, commands[i], status);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const char type[] = { rows[i].type, '\0' };
                const char *string;
                int r;

                if (!streq(rows[i].property, property))
                        continue;
                if (rows[i].type != 's')
                        return sd_bus_message_read(reply, "v", type, rows[i].to);
                r = sd_bus_message_read(reply, "v", type, &string);
                if (r < 0)
                        return r;
                free(*(char **) rows[i].to);
                return (*(char **) rows[i].to = strdup(string)) ? 0 : -ENOMEM;
        }
        return sd_bus_message_skip(reply, "v");
}

static int read_properties(sd_bus_message *reply, UnitStatus *status) {
        Times times = {};
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                const char *property;

                r = sd_bus_message_read(reply, "s", &property);
                if (r >= 0)
                        r = take_property(reply, property, status, &times);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        status->out_of_time = status->result && streq(status->result, "timeout") && ran_out_of_time(&times);
        free(times.type);
        return r;
}

int bus_get_unit(sd_bus *bus, const char *unit, UnitStatus *ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_reply_ sd_bus_message *reply = NULL, *properties = NULL;
        _cleanup_unit_status_ UnitStatus status = {};
        const char *path;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "LoadUnit", &error, &reply,
                               "s", unit);
        if (r < 0)
                return map_error(&error, r);
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        /* all at once: a question each would take its time where there are many units */
        r = sd_bus_call_method(bus, SYSTEMD_BUS, path, "org.freedesktop.DBus.Properties", "GetAll", &error,
                               &properties, "s", "");
        if (r < 0)
                return map_error(&error, r);
        r = read_properties(properties, &status);
        if (r < 0)
                return r;
        *ret = status;
        status = (UnitStatus){};
        return 0;
}

int bus_list_units(sd_bus *bus, char *const *patterns, char ***ret) {
        _cleanup_reply_ sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_strv_ char **units = NULL;
        const char *unit;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_message_new_method_call(bus, &call, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE,
                                           "ListUnitsByPatterns");
        if (r >= 0)
                r = sd_bus_message_append_strv(call, NULL); /* whatever their state */
        if (r >= 0)
                r = sd_bus_message_append_strv(call, (char **) (uintptr_t) patterns);
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, &error, &reply);
        if (r < 0)
                return map_error(&error, r);
        r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &unit, NULL, NULL, NULL, NULL, NULL,
                                                  NULL, NULL, NULL, NULL)) > 0)
                r = strv_append(&units, unit);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(units);
        return 0;
}

int bus_add_listens(sd_bus *bus, const char *unit, char ***listens) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_reply_ sd_bus_message *found = NULL, *reply = NULL;
        const char *path, *address;
        int r;

        r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "GetUnit", &error, &found,
                               "s", unit);
        if (r >= 0)
                r = sd_bus_message_read(found, "o", &path);
        if (r >= 0)
                r = sd_bus_get_property(bus, SYSTEMD_BUS, path, SOCKET_INTERFACE, "Listen", &error, &reply,
                                        "a(ss)");
        if (r < 0)
                return map_error(&error, r);
        r = sd_bus_message_enter_container(reply, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ss)", NULL, &address)) > 0)
                r = strv_append(listens, address);
        return r < 0 ? r : 0;
}

int bus_get_unit_slice(sd_bus *bus, const char *unit, char **ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_reply_ sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "LoadUnit", &error, &reply,
                               "s", unit);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = sd_bus_get_property_string(bus, SYSTEMD_BUS, path, SERVICE_INTERFACE, "Slice", &error,
                                               ret);
        return r < 0 ? map_error(&error, r) : 0;
}

bool unit_status_busy(const UnitStatus *status) {
        return status->active && !streq(status->active, "inactive") && !streq(status->active, "failed");
}

bool unit_status_is_ours(const UnitStatus *status) {
        return status->source && (endswith(status->source, ".berth") || strstr(status->source, ".berth.d/"));
}

void machine_done(Machine *machine) {
        free(machine->service);
        *machine = (Machine){};
}

int bus_get_machine(sd_bus *bus, const char *machine, Machine *ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_reply_ sd_bus_message *reply = NULL;
        _cleanup_machine_ Machine found = {};
        const char *path;
        uint32_t leader;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_call_method(bus, MACHINED_BUS, MACHINED_PATH, MACHINED_INTERFACE, "GetMachine", &error,
                               &reply, "s", machine);
        if (r < 0)
                return map_error(&error, r);
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        r = sd_bus_get_property_string(bus, MACHINED_BUS, path, MACHINE_INTERFACE, "Service", &error,
                                       &found.service);
        if (r >= 0)
                r = sd_bus_get_property_trivial(bus, MACHINED_BUS, path, MACHINE_INTERFACE, "Leader", &error,
                                                'u', &leader);
        if (r < 0) /* it went away between the questions */
                return sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT) ? -ENOENT : r;
        found.leader = (pid_t) leader;
        *ret = found;
        found = (Machine){};
        return 0;
}

int bus_register_machine(sd_bus *bus, const char *machine, pid_t leader) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_call_method(bus, MACHINED_BUS, MACHINED_PATH, MACHINED_INTERFACE, "RegisterMachine",
                               &error, NULL, "sayssus", machine, /* id= */ 0, "berth", "container",
                               (uint32_t) leader,
                               /* root= */ "");
        return r < 0 ? map_error(&error, r) : 0;
}

int bus_unregister_machine(sd_bus *bus, const char *machine) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_call_method(bus, MACHINED_BUS, MACHINED_PATH, MACHINED_INTERFACE, "UnregisterMachine",
                               &error, NULL, "s", machine);
        return r < 0 ? map_error(&error, r) : 0;
}

int bus_call_unit(sd_bus *bus, const char *method, const char *unit) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, method, &error, NULL, "ss",
                               unit, "fail");
        return r < 0 ? map_error(&error, r) : 0;
}

/* A job that we wait for. */
typedef struct Job {
        char *path;
        char *result; /* NULL: it is still there */
} Job;

static int job_removed(sd_bus_message *message, void *userdata, sd_bus_error *error _unused_) {
        const char *path, *result;
        Job *job = userdata;
        int r;

        r = sd_bus_message_read(message, "uoss", NULL, &path, NULL, &result);
        if (r >= 0 && job->path && streq(path, job->path) && !job->result)
                job->result = strdup(result);
        return r < 0 ? r : 0;
}

static int wait_job(sd_bus *bus, Job *job) {
        while (!job->result) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return streq(job->result, "done") ? 0 : -ECANCELED;
}

int bus_call_job(sd_bus *bus, sd_bus_message *call, char **ret_error) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_reply_ sd_bus_message *reply = NULL;
        const char *path;
        Job job = {};
        int r;

        /* Signals are queued by the library while it waits for the reply: none is lost that comes before the path. */
        r = sd_bus_match_signal(bus, &slot, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "JobRemoved",
                                job_removed, &job);
        if (r >= 0) /* an error if we are subscribed already */
                (void) sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "Subscribe",
                                          NULL, NULL, "");
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, &error, &reply);
        if (r < 0 && ret_error && sd_bus_error_is_set(&error))
                *ret_error = strdup(error.message);
        if (r < 0 && sd_bus_error_has_name(&error, "org.freedesktop.systemd1.UnitExists"))
                return -EEXIST;
        if (r < 0 && sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit"))
                return -ENOENT;
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return map_error(&error, r);
        job.path = strdup(path);
        r = job.path ? wait_job(bus, &job) : -ENOMEM;
        free(job.path);
        free(job.result);
        return r;
}

int bus_stop_unit(sd_bus *bus, const char *unit, bool wait) {
        _cleanup_reply_ sd_bus_message *call = NULL;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_message_new_method_call(bus, &call, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE,
                                           "StopUnit");
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", unit, "replace");
        if (r < 0 || wait)
                return r < 0 ? r : bus_call_job(bus, call, NULL);
        return sd_bus_call(bus, call, 0, NULL, NULL);
}

int bus_thaw_unit(sd_bus *bus, const char *unit) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "ThawUnit", &error, NULL,
                               "s", unit);
        return r < 0 ? map_error(&error, r) : 0;
}

int bus_thaw_at_stop(sd_bus *bus, const char *unit, const char *name, const char *thaw_unit) {
        _cleanup_reply_ sd_bus_message *call = NULL;
        _cleanup_unit_status_ UnitStatus status = {};
        _cleanup_free_ char *description = NULL;
        const char *order;
        int r;

        r = bus_get_unit(bus, unit, &status);
        if (r < 0)
                return r;
        if (status.active && streq(status.active, "deactivating"))
                return -EBUSY;
        if (asprintf(&description, "Thaws container %s before it stops", name) < 0)
                return -ENOMEM;
        /* systemd starts nothing that is bound to a unit and ordered after it before that is active */
        order = status.active && streq(status.active, "activating") ? "PartOf" : "After";
        r = sd_bus_message_new_method_call(bus, &call, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE,
                                           "StartTransientUnit");
        /* ignore-dependencies: BindsTo= would start the container's unit again if that has ended meanwhile */
        if (r >= 0)
                r = sd_bus_message_append(call, "ssa(sv)a(sa(sv))", thaw_unit, "ignore-dependencies", 9,
                                          "Description", "s", description, "Type", "s", "oneshot",
                                          "RemainAfterExit", "b", 1, "BindsTo", "as", 1, unit, order, "as",
                                          1, unit, "CollectMode", "s", "inactive-or-failed",
                                          "StandardOutput", "s", "null", "StandardError", "s", "null",
                                          "ExecStop", "a(sasb)", 1, BERTH_BINDIR "/berth", 3, "berth",
                                          "thaw", name, 1, 0);
        if (r >= 0)
                r = bus_call_job(bus, call, NULL);
        return r == -EEXIST ? 0 : r;
}

int bus_get_version(sd_bus *bus, char **ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_get_property_string(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "Version",
                                           &error, ret);

        return r < 0 ? map_error(&error, r) : 0;
}

int bus_has_name(sd_bus *bus, const char *name) {
        _cleanup_strv_ char **acquired = NULL, **activatable = NULL;
        int r = sd_bus_list_names(bus, &acquired, &activatable);

        return r < 0 ? r : strv_contains(acquired, name) || strv_contains(activatable, name);
}

int bus_list_machines(sd_bus *bus, char ***ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_reply_ sd_bus_message *reply = NULL;
        _cleanup_strv_ char **names = NULL;
        const char *name;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_call_method(bus, MACHINED_BUS, MACHINED_PATH, MACHINED_INTERFACE, "ListMachines", &error,
                               &reply, "");
        if (r < 0)
                return map_error(&error, r);
        r = sd_bus_message_enter_container(reply, 'a', "(ssso)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssso)", &name, NULL, NULL, NULL)) > 0)
                r = strv_append(&names, name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}
