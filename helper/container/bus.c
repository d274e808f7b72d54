/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/bus.h"

#include <stdio.h>

#include "common/strv.h"

#define SYSTEMD_BUS       "org.freedesktop.systemd1"
#define SYSTEMD_PATH      "/org/freedesktop/systemd1"
#define SYSTEMD_INTERFACE "org.freedesktop.systemd1.Manager"
#define UNIT_INTERFACE    "org.freedesktop.systemd1.Unit"
#define SERVICE_INTERFACE "org.freedesktop.systemd1.Service"

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
        *status = (UnitStatus){};
}

/* A property as a string of our own; left NULL where there is none. */
static void get_string(sd_bus *bus, const char *destination, const char *path, const char *interface,
                       const char *property, char **ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) sd_bus_get_property_string(bus, destination, path, interface, property, &error, ret);
}

static uint64_t get_number(sd_bus *bus, const char *path, const char *interface, const char *property) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t value = 0;

        (void) sd_bus_get_property_trivial(bus, SYSTEMD_BUS, path, interface, property, &error, 't', &value);
        return value;
}

/* "timeout" is the result of a start or a stop that took too long as well; systemd keeps no other word. */
static bool ran_out_of_time(sd_bus *bus, const char *path) {
        uint64_t limit = get_number(bus, path, SERVICE_INTERFACE, "RuntimeMaxUSec");
        uint64_t from = get_number(bus, path, UNIT_INTERFACE, "ActiveEnterTimestampMonotonic");
        uint64_t to = get_number(bus, path, UNIT_INTERFACE, "ActiveExitTimestampMonotonic");
        uint64_t began = get_number(bus, path, UNIT_INTERFACE, "InactiveExitTimestampMonotonic");
        _cleanup_free_ char *type = NULL;

        get_string(bus, SYSTEMD_BUS, path, SERVICE_INTERFACE, "Type", &type);
        if (type && streq(type, "oneshot")) {
                limit = get_number(bus, path, SERVICE_INTERFACE, "TimeoutStartUSec");
                from = began;
                to = get_number(bus, path, UNIT_INTERFACE, "InactiveEnterTimestampMonotonic");
        }
        return limit > 0 && limit != UINT64_MAX && from >= began && from > 0 && to >= from &&
               to - from >= limit;
}

int bus_get_unit(sd_bus *bus, const char *unit, UnitStatus *ret) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_reply_ sd_bus_message *reply = NULL;
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
        *ret = (UnitStatus){};
        get_string(bus, SYSTEMD_BUS, path, UNIT_INTERFACE, "LoadState", &ret->load);
        get_string(bus, SYSTEMD_BUS, path, UNIT_INTERFACE, "ActiveState", &ret->active);
        get_string(bus, SYSTEMD_BUS, path, UNIT_INTERFACE, "SubState", &ret->sub);
        get_string(bus, SYSTEMD_BUS, path, UNIT_INTERFACE, "SourcePath", &ret->source);
        get_string(bus, SYSTEMD_BUS, path, SERVICE_INTERFACE, "Result", &ret->result);
        ret->out_of_time = ret->result && streq(ret->result, "timeout") && ran_out_of_time(bus, path);
        return 0;
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
                if (r < 0)
                        return r;
        }
        return streq(job->result, "done") ? 0 : -EIO;
}

int bus_stop_unit(sd_bus *bus, const char *unit) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_reply_ sd_bus_message *reply = NULL;
        const char *path;
        Job job = {};
        int r;

        if (!bus)
                return -ENOTCONN;
        /* Signals are queued by the library while it waits for the reply: none is lost that comes before the path. */
        r = sd_bus_match_signal(bus, &slot, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "JobRemoved",
                                job_removed, &job);
        if (r >= 0)
                r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "Subscribe",
                                       &error, NULL, "");
        if (r >= 0)
                r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "StopUnit", &error,
                                       &reply, "ss", unit, "replace");
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

int bus_freeze_unit(sd_bus *bus, const char *unit, bool freeze) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE,
                               freeze ? "FreezeUnit" : "ThawUnit", &error, NULL, "s", unit);
        return r < 0 ? map_error(&error, r) : 0;
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
