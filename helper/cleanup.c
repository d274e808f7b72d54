/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ExecStopPost=: releases what lives outside of the leader. Works on whatever a kill -9 left, and twice. */

#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "helper/layer.h"
#include "helper/options.h"
#include "helper/range.h"
#include "helper/run-remove.h"
#include "helper/state.h"
#include "helper/verbs.h"

/* 0 with *ret_name set, 1 after --help, negative for wrong usage. */
static int parse_name(char *argv[], const char **ret_name) {
        OptionParser parser = { .options = cleanup_options, .argv = argv };
        const char *value, *name = NULL;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r < 0)
                        return r;
                if (r == OPTIONS_HELP)
                        return verb_help("cleanup"), 1;
                if (r == OPTIONS_OPERAND)
                        return log_error_errno(EINVAL, "cleanup: unexpected argument '%s'", value);
                name = value;
        }
        if (!name || !name_valid(name, false))
                return log_error_errno(EINVAL, "cleanup: expected --name=NAME");
        *ret_name = name;
        return 0;
}

/* Sets *ret_base to the first of its user ids, if that is known. */
static bool runs(const char *name, uint32_t *ret_base) {
        _cleanup_state_ State state = {};
        _cleanup_close_ int leader_fd = -EBADF;

        if (state_read(name, &state) < 0)
                return false;
        *ret_base = state.uid_base;
        leader_fd = state_open_leader(&state);
        if (leader_fd >= 0)
                log_error("container '%s' is running (leader %d); stop it first", name, state.pid);
        return leader_fd >= 0;
}

/* machined forgets a machine when its leader ends, but a restart can be faster (tried): then the old entry is in the
 * new one's way. The look into its directory saves the bus where there is nothing to do. */
static int unregister(const char *name) {
        const char *argv[] = { "berth-manage", "machine-unregister", name, NULL };
        char machine[NAME_LENGTH_MAX + 1], path[sizeof("/run/systemd/machines/") + NAME_LENGTH_MAX];

        name_to_machine(name, machine);
        snprintf(path, sizeof(path), "/run/systemd/machines/%s", machine);
        if (access(path, F_OK) < 0)
                return 0;
        execv(BERTH_LIBEXECDIR "/berth-manage", (char *const *) (uintptr_t) argv);
        return log_error_errno(errno, "Cannot execute %s: %m", BERTH_LIBEXECDIR "/berth-manage");
}

int verb_cleanup(int argc, char *argv[]) {
        const char *name = NULL;
        uint32_t base = 0;
        int r, k;

        (void) argc;
        r = parse_name(argv, &name);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        if (runs(name, &base))
                return EXIT_FAILED;
        /* All of it, even if a part fails. */
        r = layer_remove_ephemeral(name);
        k = range_release(name, base);
        if (k < 0)
                r = log_error_errno(k, "Cannot release the user ids of '%s': %m", name);
        k = run_remove(name);
        if (k < 0)
                r = log_error_errno(k, "Cannot remove what berth run has made for '%s': %m", name);
        k = state_remove(name);
        if (k < 0)
                r = log_error_errno(k, "Cannot remove '%s/%s': %m", BERTH_CONTAINER_DIR, name);
        k = unregister(name); /* last: it does not come back */
        return r < 0 || k < 0 ? EXIT_FAILED : EXIT_DONE;
}
