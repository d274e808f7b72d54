/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/machine.h"

#include <signal.h>

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
        if (found.leader > 0 && kill(found.leader, 0) == 0)
                return -EEXIST; /* "web-1" and the instance "web@1" are one name to machined */
        r = bus_unregister_machine(bus, machine);
        return r == -ENOENT ? 0 : r;
}

/* What both verbs are about. */
typedef struct Subject {
        const char *name;
        char machine[NAME_LENGTH_MAX + 1];
        Item item;
        sd_bus *bus; /* NULL: none */
} Subject;

static void subject_done(Subject *subject) {
        item_done(&subject->item);
        sd_bus_flush_close_unref(subject->bus);
}
#define _cleanup_subject_ _cleanup_(subject_done)

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

/* -1: go on; else what to exit with. */
static int open_subject(const char *verb, char *argv[], Subject *ret) {
        int r = parse_name(verb, argv, &ret->name);

        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        if (item_open(ret->name, &ret->item) < 0)
                return EXIT_FAILED;
        name_to_machine(ret->name, ret->machine);
        ret->bus = bus_open();
        return -1;
}

int verb_machine_register(int argc _unused_, char *argv[]) {
        _cleanup_subject_ Subject subject = {};
        int r = open_subject("machine-register", argv, &subject);
        const pid_t leader = subject.item.state.pid;

        if (r >= 0)
                return r;
        if (!item_runs(&subject.item))
                return EXIT_NOT_RUNNING; /* a short job: no word about it, its journal is the command's */
        r = machine_remove_stale(subject.bus, subject.machine, leader);
        if (r == 0)
                r = bus_register_machine(subject.bus, subject.machine, leader);
        if (r >= 0 || r == -ENOTCONN || r == -ESRCH)
                return EXIT_DONE;
        if (r == -EEXIST)
                log_warning("container '%s' is not entered into systemd-machined: another machine is called '%s'",
                            subject.name, subject.machine);
        else
                log_warning_errno(r, "container '%s' is not entered into systemd-machined: %m",
                                  subject.name);
        return EXIT_FAILED;
}

int verb_machine_unregister(int argc _unused_, char *argv[]) {
        _cleanup_subject_ Subject subject = {};
        int r = open_subject("machine-unregister", argv, &subject);

        if (r >= 0)
                return r;
        r = machine_remove_stale(subject.bus, subject.machine,
                                 item_runs(&subject.item) ? subject.item.state.pid : 0);
        if (r >= 0 || r == -ENOTCONN || r == -EEXIST)
                return EXIT_DONE;
        log_warning_errno(r, "the entry of container '%s' at systemd-machined is not removed: %m",
                          subject.name);
        return EXIT_FAILED;
}
