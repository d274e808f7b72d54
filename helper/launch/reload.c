/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals to the process that the state was written for and to no other: ExecReload= of ReloadSignal=, as systemd's own
 * "kill -HUP $MAINPID" needs a program of the host that may not be there, and a pid that may be another's by now; and
 * ExecStop= of Init=no. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/signals.h"
#include "helper/container/state.h"
#include "helper/verbs/options.h"
#include "helper/verbs/verbs.h"

/* 0; 1 after --help; negative for wrong usage. */
static int parse(char *argv[], const Option *options, const char **ret_name, int *ret_signal) {
        OptionParser parser = { .options = options, .argv = argv };
        const char *value, *name = NULL, *text = NULL;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r < 0)
                        return r;
                if (r == OPTIONS_HELP)
                        return verb_help(argv[0]), 1;
                if (r == OPTIONS_OPERAND)
                        return log_error_errno(EINVAL, "%s: unexpected argument '%s'", argv[0], value);
                *(r == SIGNAL_NAME ? &name : &text) = value;
        }
        if (!name || !name_valid(name, false) || !text || signal_parse(text, ret_signal) < 0)
                return log_error_errno(EINVAL, "%s: expected --name=NAME --signal=SIGNAL", argv[0]);
        *ret_name = name;
        return 0;
}

int verb_reload(int argc _unused_, char *argv[]) {
        _cleanup_state_ State state = {};
        _cleanup_close_ int leader_fd = -EBADF;
        const char *name = NULL;
        int signal_number = 0, r;

        r = parse(argv, reload_options, &name, &signal_number);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        r = state_read(name, &state);
        if (r < 0) {
                log_error_errno(r, "cannot read the state of container '%s': %m", name);
                return r == -ENOENT ? EXIT_NOT_RUNNING : EXIT_FAILED;
        }
        leader_fd = state_open_leader(&state);
        if (leader_fd == -ESRCH) {
                log_error("container '%s' is not running: its leader has ended", name);
                return EXIT_NOT_RUNNING;
        }
        if (leader_fd < 0 || pidfd_send_signal(leader_fd, signal_number, NULL, 0) < 0) {
                log_error_errno(leader_fd < 0 ? leader_fd : errno, "cannot signal container '%s': %m", name);
                return EXIT_FAILED;
        }
        return EXIT_DONE;
}

/* Would it end the process if that were any other? For the first of its pid namespace the kernel drops a signal whose
 * default action would be taken (pid_namespaces(7)); one that is blocked may be waited for by sigwait(3). */
static bool is_dropped(const char *status, int signal_number) {
        static const char *const masks[] = { "\nSigBlk:\t", "\nSigIgn:\t", "\nSigCgt:\t" };
        static const int harmless[] = { SIGCHLD, SIGCONT, SIGURG,  SIGWINCH,
                                        SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };

        for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
                if (signal_number == harmless[i])
                        return false;
        for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
                const char *line = strstr(status, masks[i]);

                if (!line || strtoull(line + strlen(masks[i]), NULL, 16) & 1ULL << (signal_number - 1))
                        return false;
        }
        return true;
}

/* What does not run needs nothing: systemd calls this after an end of the command's own, too. */
int verb_unheard(int argc _unused_, char *argv[]) {
        char path[sizeof("/proc//status") + 16], signal_name[SIGNAL_NAME_SIZE];
        _cleanup_free_ char *status = NULL;
        _cleanup_close_ int leader_fd = -EBADF;
        _cleanup_state_ State state = {};
        const char *name = NULL;
        int signal_number = 0, r;

        r = parse(argv, unheard_options, &name, &signal_number);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        if (state_read(name, &state) < 0 || (leader_fd = state_open_leader(&state)) < 0)
                return EXIT_DONE;
        snprintf(path, sizeof(path), "/proc/%d/status", state.pid);
        if (read_file_at(AT_FDCWD, path, 64 * 1024, &status, NULL) < 0 || !is_dropped(status, signal_number))
                return EXIT_DONE;
        signal_format(signal_number, signal_name);
        log_warning("the command of container '%s' has no handler for %s, which it does not get then, as PID 1: it is killed. With Init=yes it would get it",
                    name, signal_name);
        (void) pidfd_send_signal(leader_fd, SIGKILL, NULL, 0);
        return EXIT_DONE;
}
