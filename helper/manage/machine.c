/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/machine.h"

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "helper/container/inventory.h"
#include "helper/verbs/verbs.h"

/* Of launch and cleanup: the container's entry at systemd-machined. Where nobody answers for machined there is
 * nothing to be done, and nothing to be said. */

int machine_remove_stale(sd_bus *bus, const char *machine, pid_t running) {
        _cleanup_machine_ Machine found = {};
        int r;

        r = bus_get_machine(bus, machine, &found);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (!streq(found.service, "berth"))
                return -EEXIST; /* somebody else's machine */
        if (running > 0 && found.leader == running)
                return 1;
        r = bus_unregister_machine(bus, machine);
        return r == -ENOENT ? 0 : r;
}

static int parse_name(const char *verb, char *argv[], const char **ret) {
        OptionParser parser = { .argv = argv };
        const char *value;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == OPTIONS_HELP)
                        return verb_help(verb), 1;
                if (r != OPTIONS_OPERAND || *ret)
                        return r < 0 ? r : log_error_errno(EINVAL, "%s takes one name", verb);
                *ret = value;
        }
        if (!*ret || !name_valid(*ret, false))
                return log_error_errno(EINVAL, "%s: expected the name of a container", verb);
        return 0;
}

int verb_machine_register(int argc _unused_, char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_item_ Item item = {};
        char machine[NAME_LENGTH_MAX + 1];
        const char *name = NULL;
        int r;

        r = parse_name("machine-register", argv, &name);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        r = item_open(name, &item);
        if (r < 0 || !item_runs(&item))
                return EXIT_NOT_RUNNING; /* a short job: no word about it, its journal is the command's */
        name_to_machine(name, machine);
        bus = bus_open();
        r = machine_remove_stale(bus, machine, item.state.pid);
        if (r == 0)
                r = bus_register_machine(bus, machine, item.state.pid);
        if (r >= 0 || r == -ENOTCONN || r == -ESRCH)
                return EXIT_DONE;
        if (r == -EEXIST)
                log_warning("container '%s' is not entered into systemd-machined: another machine is called '%s'",
                            name, machine);
        else
                log_warning_errno(r, "container '%s' is not entered into systemd-machined: %m", name);
        return EXIT_FAILED;
}

int verb_machine_unregister(int argc _unused_, char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_item_ Item item = {};
        char machine[NAME_LENGTH_MAX + 1];
        const char *name = NULL;
        int r;

        r = parse_name("machine-unregister", argv, &name);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        if (item_open(name, &item) < 0)
                return EXIT_FAILED;
        name_to_machine(name, machine);
        bus = bus_open();
        r = machine_remove_stale(bus, machine, item_runs(&item) ? item.state.pid : 0);
        if (r >= 0 || r == -ENOTCONN || r == -EEXIST)
                return EXIT_DONE;
        log_warning_errno(r, "the entry of container '%s' at systemd-machined is not removed: %m", name);
        return EXIT_FAILED;
}
