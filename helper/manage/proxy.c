/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <grp.h>
#include <sched.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "helper/container/inventory.h"
#include "helper/verbs/verbs.h"

/* berth proxy: what berth-proxy-NAME-PORT.service runs. Enters the network of a container, gives up its rights and
 * becomes systemd-socket-proxyd, which takes the connections that systemd has accepted for it: nothing of ours stays
 * (docs/decisions/0007). */

#define IDLE_TIME "5min" /* then it ends, and the socket starts it again */

static const char *const programs[] = { "/usr/lib/systemd/systemd-socket-proxyd",
                                        "/lib/systemd/systemd-socket-proxyd" };

static int parse(char *argv[], const char **ret_name, const char **ret_port) {
        OptionParser parser = { .options = proxy_options, .argv = argv };
        const char *value, *name = NULL, *port = NULL;
        uint32_t number;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r < 0)
                        return r;
                if (r == OPTIONS_HELP)
                        return verb_help("proxy"), 1;
                if (r == OPTIONS_OPERAND)
                        return log_error_errno(EINVAL, "proxy: unexpected argument '%s'", value);
                *(r == PROXY_NAME ? &name : &port) = value;
        }
        if (!name || !name_valid(name, false))
                return log_error_errno(EINVAL, "proxy: expected --name=NAME");
        if (!port || parse_uint32(port, &number) < 0 || number < 1 || number > 65535)
                return log_error_errno(EINVAL, "proxy: expected --to=PORT, from 1 to 65535");
        *ret_name = name;
        *ret_port = port;
        return 0;
}

/* The container's network, whose own address 127.0.0.1 is. */
static int enter_network(const char *name, const State *state) {
        _cleanup_close_ int leader_fd = state_open_leader(state);

        if (leader_fd < 0)
                return log_error_errno(leader_fd, "container '%s' is not running", name);
        if (setns(leader_fd, CLONE_NEWNET) < 0)
                return log_error_errno(errno, "cannot enter the network of container '%s': %m", name);
        return 0;
}

/* What it is to forward comes from anywhere: it is nobody, the container's own one where that has its ids. */
static int drop_rights(const State *state) {
        uid_t id = state->uid_count > 65534 ? state->uid_base + 65534 : 65534;

        if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
                return log_error_errno(errno, "cannot become user %u: %m", id);
        return 0;
}

static int execute(const char *port) {
        char target[32];

        snprintf(target, sizeof(target), "127.0.0.1:%s", port);
        for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
                execl(programs[i], "systemd-socket-proxyd", "--exit-idle-time=" IDLE_TIME, target,
                      (char *) NULL);
                if (errno != ENOENT)
                        break;
        }
        return log_error_errno(errno, "cannot execute '%s', which publishes ports on loopback addresses: %m",
                               programs[0]);
}

int verb_proxy(int argc _unused_, char *argv[]) {
        const char *name = NULL, *port = NULL;
        _cleanup_item_ Item item = {};
        int r;

        r = parse(argv, &name, &port);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        r = item_open(name, &item);
        if (r < 0) {
                item_log_error(name, r);
                return EXIT_FAILED;
        }
        if (!item_runs(&item)) {
                log_error("container '%s' is not running", name);
                return EXIT_NOT_RUNNING;
        }
        if (enter_network(name, &item.state) < 0 || drop_rights(&item.state) < 0)
                return EXIT_FAILED;
        (void) execute(port);
        return EXIT_FAILED;
}
