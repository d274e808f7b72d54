/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/transient.h"

#include <stdarg.h>

#include "helper/container/bus.h"

#define SYSTEMD_BUS       "org.freedesktop.systemd1"
#define SYSTEMD_PATH      "/org/freedesktop/systemd1"
#define SYSTEMD_INTERFACE "org.freedesktop.systemd1.Manager"

void transient_done(Transient *transient) {
        sd_bus_message_unref(transient->message);
        free(transient->unit);
        *transient = (Transient){};
}

int transient_begin(sd_bus *bus, const char *unit, const char *mode, Transient *ret) {
        _cleanup_transient_ Transient transient = { .unit = strdup(unit) };
        int r;

        if (!transient.unit)
                return -ENOMEM;
        r = sd_bus_message_new_method_call(bus, &transient.message, SYSTEMD_BUS, SYSTEMD_PATH,
                                           SYSTEMD_INTERFACE, "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(transient.message, "ss", unit, mode);
        if (r >= 0)
                r = sd_bus_message_open_container(transient.message, 'a', "(sv)");
        if (r < 0)
                return r;
        *ret = transient;
        transient = (Transient){};
        return 0;
}

/* Opens a property and its value, which close_containers() of two ends. */
static int open_property(sd_bus_message *m, const char *property, const char *type) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", property);
        return r < 0 ? r : sd_bus_message_open_container(m, 'v', type);
}

static int close_containers(sd_bus_message *m, unsigned n) {
        int r = 0;

        for (; r >= 0 && n > 0; n--)
                r = sd_bus_message_close_container(m);
        return r;
}

int transient_add(Transient *transient, const char *property, const char *type, ...) {
        sd_bus_message *m = transient->message;
        va_list ap;
        int r;

        r = open_property(m, property, type);
        va_start(ap, type);
        if (r >= 0)
                r = sd_bus_message_appendv(m, type, ap);
        va_end(ap);
        return r < 0 ? r : close_containers(m, 2);
}

int transient_add_strv(Transient *transient, const char *property, char *const *values) {
        sd_bus_message *m = transient->message;
        int r;

        r = open_property(m, property, "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) (uintptr_t) values);
        return r < 0 ? r : close_containers(m, 2);
}

int transient_add_bytes(Transient *transient, const char *property, const uint8_t *bytes, size_t n) {
        sd_bus_message *m = transient->message;
        int r;

        r = open_property(m, property, "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', bytes, n);
        return r < 0 ? r : close_containers(m, 2);
}

int transient_add_prefix(Transient *transient, const char *property, const NetPrefix *prefix) {
        sd_bus_message *m = transient->message;
        bool in4 = prefix->address.family == AF_INET;
        int r;

        r = open_property(m, property, "a(iayu)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(iayu)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "iayu");
        if (r >= 0)
                r = sd_bus_message_append(m, "i", prefix->address.family);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', &prefix->address.in4,
                                                in4 ? sizeof(prefix->address.in4)
                                                    : sizeof(prefix->address.in6));
        if (r >= 0)
                r = sd_bus_message_append(m, "u", (uint32_t) prefix->length);
        return r < 0 ? r : close_containers(m, 4);
}

int transient_add_copy(Transient *transient, const char *property, sd_bus_message *from) {
        sd_bus_message *m = transient->message;
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", property);
        if (r >= 0)
                r = sd_bus_message_copy(m, from, /* all= */ 0);
        return r < 0 ? r : close_containers(m, 1);
}

int transient_add_command(Transient *transient, const char *property, char *const *argv) {
        sd_bus_message *m = transient->message;
        int r;

        r = open_property(m, property, "a(sasas)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sasas)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "sasas");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", argv[0]);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) (uintptr_t) argv);
        if (r >= 0)
                r = sd_bus_message_append(m, "as", 1, "no-env-expand");
        return r < 0 ? r : close_containers(m, 4);
}

int transient_start(sd_bus *bus, Transient *transient, char **ret_error) {
        int r;

        r = sd_bus_message_close_container(transient->message);
        if (r >= 0)
                r = sd_bus_message_append(transient->message, "a(sa(sv))", 0);
        return r < 0 ? r : bus_call_job(bus, transient->message, ret_error);
}

static int unit_job(sd_bus *bus, const char *method, const char *unit, const char *mode, char **ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, method);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", unit, mode);
        return r < 0 ? r : bus_call_job(bus, call, ret_error);
}

int transient_start_unit(sd_bus *bus, const char *unit, char **ret_error) {
        return unit_job(bus, "StartUnit", unit, "fail", ret_error);
}

int transient_stop(sd_bus *bus, const char *unit, char **ret_error) {
        int r = unit_job(bus, "StopUnit", unit, "replace", ret_error);

        return r == -ENOENT ? 0 : r;
}
