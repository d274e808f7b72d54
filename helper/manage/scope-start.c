/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/container/cgroup.h"
#include "helper/container/scopes.h"
#include "helper/container/state.h"
#include "helper/exec/ending.h"
#include "helper/manage/describe.h"
#include "helper/manage/scope-properties.h"
#include "helper/manage/scope-walls.h"
#include "helper/manage/transient.h"
#include "helper/verbs/verbs.h"

/* berth scope-start: what exec --scope executes. The scope begins with a process of that exec's; when systemd has
 * started it, the exec has its command born there. */

/* BindsTo= of a start job would start the container, were it just ending. */
#define START_MODE "ignore-requirements"

typedef struct Words {
        const char *name, *unit;
        pid_t pid;
        char **properties;
        char *const *command;
} Words;

/* From 253 on a scope has an OOMPolicy=, and without it an own idea of what to do. */
#define SYSTEMD_OOM_POLICY 253

static int systemd_version(sd_bus *bus) {
        _cleanup_free_ char *version = NULL;

        return bus_get_version(bus, &version) >= 0 ? (int) strtol(version, NULL, 10) : 0;
}

/* How it ends: as any exec does, and with the container. BindsTo= alone does not do for a restart, which stops nothing
 * that cannot be started again: then "berth cleanup" sees to it. */
static int add_ending(sd_bus *bus, Transient *transient, char *container) {
        char *bound[] = { container, NULL };
        int r;

        r = transient_add(transient, "CollectMode", "s", "inactive-or-failed");
        if (r >= 0)
                r = transient_add_strv(transient, "BindsTo", bound);
        if (r >= 0)
                r = transient_add(transient, "TimeoutStopUSec", "t", (uint64_t) ENDING_GRACE_MS * 1000);
        if (r >= 0) /* an interactive shell heeds no TERM */
                r = transient_add(transient, "SendSIGHUP", "b", 1);
        if (r >= 0 && systemd_version(bus) >= SYSTEMD_OOM_POLICY)
                r = transient_add(transient, "OOMPolicy", "s", "kill");
        return r;
}

static int add_all(sd_bus *bus, Transient *transient, const Words *words, const State *state) {
        _cleanup_free_ char *description = NULL;
        int r;

        r = describe("exec", words->name, words->command, &description);
        if (r >= 0)
                r = transient_add(transient, "Description", "s", description);
        if (r >= 0)
                r = transient_add(transient, "PIDs", "au", 1, (uint32_t) words->pid);
        if (r >= 0) /* control groups of our own below it, and all controllers for it */
                r = transient_add(transient, "Delegate", "b", 1);
        if (r >= 0)
                r = add_ending(bus, transient, state->unit);
        if (r < 0)
                return log_error_errno(r, "cannot put together the properties of '%s': %m", words->unit);
        r = scope_add_walls(bus, transient, state->unit, words->properties);
        for (char **property = words->properties; r >= 0 && property && *property; property++)
                r = scope_property_add(transient, *property);
        return r;
}

/* systemd takes a limit that it cannot set, and says nothing. */
static int check_controllers(const Words *words) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = cgroup_of(words->pid, &path);
        if (r >= 0)
                fd = r = cgroup_open(path);
        for (char **property = words->properties; r >= 0 && property && *property; property++) {
                const char *controller = scope_property_controller(*property);

                r = controller ? cgroup_has_controller(fd, controller) : 1;
                if (r == 0)
                        return log_error_errno(
                                        EOPNOTSUPP,
                                        "-p %s: needs the cgroup controller '%s', which this host does not "
                                        "have in its unified hierarchy; leave out the limit, or boot with "
                                        "systemd.unified_cgroup_hierarchy=1",
                                        *property, controller);
        }
        return r < 0 ? log_error_errno(r, "cannot look at the control group of '%s': %m", words->unit) : 0;
}

static int start(const Words *words) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_transient_ Transient transient = {};
        _cleanup_free_ char *error = NULL;
        _cleanup_state_ State state = {};
        int r;

        if (!bus)
                return log_error_errno(ENOTCONN, "--scope needs systemd, and there is no system bus");
        r = state_read(words->name, &state);
        if (r >= 0 && !state.unit)
                r = -ENOENT;
        if (r < 0)
                return log_error_errno(r, "cannot read the state of container '%s': %m", words->name);
        r = transient_begin(bus, words->unit, START_MODE, &transient);
        if (r < 0)
                return log_error_errno(r, "cannot make a scope: %m");
        r = add_all(bus, &transient, words, &state);
        if (r < 0)
                return r;
        r = transient_start(bus, &transient, &error);
        if (r < 0 && error)
                return log_error_errno(r, "cannot start '%s': %s", words->unit, error);
        if (r < 0)
                return log_error_errno(r, "cannot start '%s': %m", words->unit);
        return check_controllers(words);
}

static int parse_words(char *argv[], Words *ret) {
        OptionParser parser = { .options = scope_start_options, .argv = argv, .command = true };
        char container[NAME_LENGTH_MAX + 1];
        const char *value;
        uint32_t pid = 0;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                switch (r) {
                case SCOPE_START_NAME:
                        ret->name = value;
                        break;
                case SCOPE_START_UNIT:
                        ret->unit = value;
                        break;
                case SCOPE_START_PID:
                        if (parse_uint32(value, &pid) < 0 || pid > INT32_MAX)
                                pid = 0;
                        break;
                case SCOPE_START_PROPERTY:
                        if (strv_append(&ret->properties, value) < 0)
                                return log_oom();
                        break;
                case OPTIONS_HELP:
                        return verb_help("scope-start"), 1;
                default:
                        return -EINVAL;
                }
        }
        ret->pid = (pid_t) pid;
        ret->command = parser.rest;
        if (!ret->name || !name_valid(ret->name, false) || !ret->unit ||
            scope_container(ret->unit, container) < 0 || !streq(container, ret->name) || pid == 0 ||
            !parser.rest[0])
                return log_error_errno(EINVAL, "scope-start is called by exec --scope");
        for (char **property = ret->properties; property && *property; property++)
                if (scope_property_check(*property) < 0)
                        return -EINVAL;
        return 0;
}

int verb_scope_start(int argc _unused_, char *argv[]) {
        Words words = {};
        int r = parse_words(argv, &words);

        if (r == 0)
                r = start(&words);
        strv_free(words.properties);
        return r < 0 ? EXIT_BERTH : EXIT_DONE;
}
