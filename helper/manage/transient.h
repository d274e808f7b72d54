/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "common/base.h"
#include "common/network.h"

/* Units that are nobody's file: the manager makes them on a call and forgets them when they are over (StartTransientUnit,
 * org.freedesktop.systemd1(5)). A property is named and typed as there. Nothing here logs. */

typedef struct Transient {
        sd_bus_message *message;
        char *unit;
} Transient;

void transient_done(Transient *transient);
#define _cleanup_transient_ _cleanup_(transient_done)

/* Begins a unit of that name; properties follow. mode: of its start job, "fail" or another. */
int transient_begin(sd_bus *bus, const char *unit, const char *mode, Transient *ret);

/* type: a basic one, and the value as sd_bus_message_append(3) takes it. */
int transient_add(Transient *transient, const char *property, const char *type, ...);
int transient_add_strv(Transient *transient, const char *property, char *const *values);
int transient_add_bytes(Transient *transient, const char *property, const uint8_t *bytes, size_t n);

/* One more of a list of addresses, a(iayu). */
int transient_add_prefix(Transient *transient, const char *property, const NetPrefix *prefix);

/* The value is the variant that is next to be read of from. */
int transient_add_copy(Transient *transient, const char *property, sd_bus_message *from);

/* "ExecStartEx" or another of a service, whose words are taken as they are; argv[0] is the path as well. */
int transient_add_command(Transient *transient, const char *property, char *const *argv);

/* Calls, and waits for the start job's end. 0, -ECANCELED where it failed, or negative errno; *error, if it is not NULL,
 * gets what the manager said, owned. */
int transient_start(sd_bus *bus, Transient *transient, char **ret_error);

/* The same of a unit that has a file; and the other way. A unit that is not loaded is stopped. */
int transient_start_unit(sd_bus *bus, const char *unit, char **ret_error);
int transient_stop(sd_bus *bus, const char *unit, char **ret_error);
