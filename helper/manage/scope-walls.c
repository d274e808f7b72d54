/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/scope-walls.h"

#include "common/log.h"
#include "helper/manage/scope-properties.h"

#define SYSTEMD_BUS       "org.freedesktop.systemd1"
#define SYSTEMD_PATH      "/org/freedesktop/systemd1"
#define SYSTEMD_INTERFACE "org.freedesktop.systemd1.Manager"

/* What holds by the control group, all of systemd.resource-control(5) but what guarantees something: twice the same
 * guarantee is none. */
static const char *const walls[] = {
        "AllowedCPUs",
        "AllowedMemoryNodes",
        "BPFProgram",
        "CPUQuotaPerSecUSec",
        "CPUQuotaPeriodUSec",
        "CPUWeight",
        "DeviceAllow",
        "DevicePolicy",
        "DisableControllers",
        "IODeviceLatencyTargetUSec",
        "IODeviceWeight",
        "IOReadBandwidthMax",
        "IOReadIOPSMax",
        "IOWeight",
        "IOWriteBandwidthMax",
        "IOWriteIOPSMax",
        "IPAddressAllow",
        "IPAddressDeny",
        "IPEgressFilterPath",
        "IPIngressFilterPath",
        "ManagedOOMMemoryPressure",
        "ManagedOOMMemoryPressureLimit",
        "ManagedOOMPreference",
        "ManagedOOMSwap",
        "MemoryHigh",
        "MemoryMax",
        "MemorySwapMax",
        "MemoryZSwapMax",
        "MemoryZSwapWriteback",
        "NFTSet",
        "RestrictNetworkInterfaces",
        "Slice",
        "SocketBindAllow",
        "SocketBindDeny",
        "StartupAllowedCPUs",
        "StartupAllowedMemoryNodes",
        "StartupCPUWeight",
        "StartupIOWeight",
        "StartupMemoryHigh",
        "StartupMemoryMax",
        "StartupMemorySwapMax",
        "StartupMemoryZSwapMax",
        "TasksMax",
};

static bool is_wall(const char *name, char *const *properties) {
        for (; properties && *properties; properties++)
                if (scope_property_is(*properties, name))
                        return false;
        for (size_t i = 0; i < ARRAY_LEN(walls); i++)
                if (streq(walls[i], name))
                        return true;
        return false;
}

/* RestrictFileSystems= holds by the control group as well, and is a service's alone. Of a (bas): a list of names. */
static int check_file_systems(sd_bus_message *reply, const char *unit) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "(bas)");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'r', "bas");
        if (r >= 0)
                r = sd_bus_message_skip(reply, "b");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "s");
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &name);
        if (r > 0)
                return log_error_errno(ENOTSUP,
                                       "'%s' has RestrictFileSystems=, which systemd cannot give to a scope",
                                       unit);
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_exit_container(reply);
        return r;
}

/* The unit's, and one for the keeper of the scope: what the unit has enough of starts in the scope, too. */
static int add_tasks(sd_bus_message *reply, Transient *transient) {
        uint64_t n;
        int r;

        r = sd_bus_message_read(reply, "v", "t", &n);
        return r < 0 ? r : transient_add(transient, "TasksMax", "t", n + (n < UINT64_MAX));
}

/* One entry of a{sv}, entered. */
static int take_property(sd_bus_message *reply, Transient *transient, const char *unit,
                         char *const *properties) {
        const char *name;
        int r;

        r = sd_bus_message_read(reply, "s", &name);
        if (r < 0)
                return r;
        if (streq(name, "RestrictFileSystems"))
                return check_file_systems(reply, unit);
        if (!is_wall(name, properties))
                return sd_bus_message_skip(reply, "v");
        if (streq(name, "TasksMax"))
                return add_tasks(reply, transient);
        return transient_add_copy(transient, name, reply);
}

int scope_add_walls(sd_bus *bus, Transient *transient, const char *unit, char *const *properties) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL, *all = NULL;
        const char *path;
        int r;

        r = sd_bus_call_method(bus, SYSTEMD_BUS, SYSTEMD_PATH, SYSTEMD_INTERFACE, "GetUnit", NULL, &reply,
                               "s", unit);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = sd_bus_call_method(bus, SYSTEMD_BUS, path, "org.freedesktop.DBus.Properties", "GetAll",
                                       NULL, &all, "s", "org.freedesktop.systemd1.Service");
        if (r >= 0)
                r = sd_bus_message_enter_container(all, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(all, 'e', "sv")) > 0) {
                r = take_property(all, transient, unit, properties);
                if (r >= 0)
                        r = sd_bus_message_exit_container(all);
        }
        if (r < 0 && r != -ENOTSUP)
                log_error_errno(r, "cannot read the limits of '%s': %m", unit);
        return r;
}
