/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ExecReload= of ReloadSignal=. To the process that the state was written for and to no other: systemd's own
 * "kill -HUP $MAINPID" needs a program of the host that may not be there, and a pid that may be another's by now. */

#include <signal.h>
#include <sys/pidfd.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/signals.h"
#include "helper/container/state.h"
#include "helper/verbs/options.h"
#include "helper/verbs/verbs.h"

/* 0; 1 after --help; negative for wrong usage. */
static int parse(char *argv[], const char **ret_name, int *ret_signal) {
        OptionParser parser = { .options = reload_options, .argv = argv };
        const char *value, *name = NULL, *text = NULL;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r < 0)
                        return r;
                if (r == OPTIONS_HELP)
                        return verb_help("reload"), 1;
                if (r == OPTIONS_OPERAND)
                        return log_error_errno(EINVAL, "reload: unexpected argument '%s'", value);
                *(r == RELOAD_NAME ? &name : &text) = value;
        }
        if (!name || !name_valid(name, false) || !text || signal_parse(text, ret_signal) < 0)
                return log_error_errno(EINVAL, "reload: expected --name=NAME --signal=SIGNAL");
        *ret_name = name;
        return 0;
}

int verb_reload(int argc _unused_, char *argv[]) {
        _cleanup_state_ State state = {};
        _cleanup_close_ int leader_fd = -EBADF;
        const char *name = NULL;
        int signal_number = 0, r;

        r = parse(argv, &name, &signal_number);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        r = state_read(name, &state);
        if (r < 0) {
                log_error_errno(r, "Cannot read the state of container '%s': %m", name);
                return r == -ENOENT ? EXIT_NOT_RUNNING : EXIT_FAILED;
        }
        leader_fd = state_open_leader(&state);
        if (leader_fd == -ESRCH) {
                log_error("container '%s' is not running: its leader has ended", name);
                return EXIT_NOT_RUNNING;
        }
        if (leader_fd < 0 || pidfd_send_signal(leader_fd, signal_number, NULL, 0) < 0) {
                log_error_errno(leader_fd < 0 ? leader_fd : errno, "Cannot signal container '%s': %m", name);
                return EXIT_FAILED;
        }
        return EXIT_DONE;
}
