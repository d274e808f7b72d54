/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ExecStopPost=: releases what lives outside of the leader. Works on whatever a kill -9 left, and twice. */

#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/cgroup.h"
#include "helper/container/enter.h"
#include "helper/container/range.h"
#include "helper/container/scopes.h"
#include "helper/container/state.h"
#include "helper/launch/hook.h"
#include "helper/launch/layer.h"
#include "helper/launch/run-remove.h"
#include "helper/verbs/options.h"
#include "helper/verbs/verbs.h"

#define DYING_MS  1000  /* what was killed has left its control group by then */
#define ENDING_MS 30000 /* and what has left it has ended, however busy the machine is */

/* 0 with *ret_name set, 1 after --help, negative for wrong usage. */
static int parse_words(char *argv[], const char **ret_name, char ***ret_hook) {
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
                if (r == CLEANUP_NAME)
                        name = value;
                else if (strv_append(ret_hook, value) < 0)
                        return log_oom();
        }
        if (!name || !name_valid(name, false))
                return log_error_errno(EINVAL, "cleanup: expected --name=NAME");
        *ret_name = name;
        return 0;
}

/* A control group is empty, and systemd calls us, a moment before the last process of it has ended. */
static bool ends(const State *state, int leader_fd) {
        _cleanup_close_ int group_fd = state->cgroup ? cgroup_open(state->cgroup) : -EBADF;
        struct pollfd end = { .fd = leader_fd, .events = POLLIN };
        bool lives = group_fd >= 0 && cgroup_wait_empty(group_fd, DYING_MS) != 1;

        return poll(&end, 1, lives ? 0 : ENDING_MS) > 0;
}

/* Is it running yet? *ret: what is known of it, its name at least. -ENOMEM. */
static int runs(const char *name, State *ret) {
        _cleanup_close_ int leader_fd = -EBADF;

        if (state_read(name, ret) < 0) {
                ret->name = strdup(name);
                return ret->name ? 0 : log_oom();
        }
        leader_fd = state_open_leader(ret);
        if (leader_fd < 0 || ends(ret, leader_fd))
                return 0;
        log_error("container '%s' is running (leader %d); stop it first", name, ret->pid);
        return 1;
}

/* The control group of a unit whose processes need an end: by its state, or where a kill came before that, as the one that
 * systemd calls us in. */
static int open_unit(const State *state) {
        _cleanup_free_ char *self = NULL;
        const char *control;

        if (state->cgroup) /* with a pid namespace of its own all of it has ended with the leader */
                return state->host_pids ? cgroup_open_parent(state->cgroup) : -ENOENT;
        if (!getenv("SERVICE_RESULT"))
                return -ENOENT;
        if (cgroup_self(&self) < 0)
                return -ENOENT;
        control = endswith(self, "/.control"); /* systemd.resource-control(5), Delegate= */
        if (control)
                self[control - self] = '\0';
        return cgroup_open(self);
}

/* What lives on keeps what it uses. */
static int end_processes(const State *state) {
        _cleanup_close_ int unit_fd = open_unit(state);
        int r = unit_fd < 0 ? 0 : enter_kill(unit_fd), k;

        k = scopes_kill(state); /* of a unit that restarts systemd leaves them to us */
        if (r >= 0)
                r = k;
        return r < 0 ? log_error_errno(r,
                                       "cannot end the processes of '%s', which keeps its files and user ids: %m",
                                       state->name)
                     : 0;
}

/* systemd.exec(5): what ExecStopPost= is told of the end of the service. As hook_run(). */
static int run_error_hook(char *const hook[], const State *state) {
        const char *result = getenv("SERVICE_RESULT"), *code = getenv("EXIT_CODE"),
                   *status = getenv("EXIT_STATUS");
        _cleanup_free_ char *error = NULL, *unit = NULL;

        if (!hook || !result || streq(result, "success"))
                return 0;
        if (asprintf(&error, "%s%s%s%s%s", result, code ? ": " : "", code ? code : "",
                     code && status ? " " : "", code && status ? status : "") < 0 ||
            asprintf(&unit, "%s.service", state->name) < 0) {
                log_oom();
                return EXIT_BERTH;
        }
        return hook_run(hook, state, unit, error);
}

/* machined forgets a machine when its leader ends, but a restart can be faster (tried): then the old entry is in the
 * new one's way. The look into its directory saves the bus where there is nothing to do. */
static int unregister(const char *name) {
        const char *argv[] = { "berth-manage", "machine-unregister", name, NULL };
        char machine[NAME_LENGTH_MAX + 1], path[sizeof("/run/systemd/machines/") + NAME_LENGTH_MAX];
        int status;
        pid_t pid;

        name_to_machine(name, machine);
        snprintf(path, sizeof(path), "/run/systemd/machines/%s", machine);
        if (access(path, F_OK) < 0)
                return 0;
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot make a process: %m");
        if (pid == 0) {
                execv(BERTH_LIBEXECDIR "/berth-manage", (char *const *) (uintptr_t) argv);
                log_error_errno(errno, "cannot execute %s: %m", BERTH_LIBEXECDIR "/berth-manage");
                _exit(EXIT_FAILED);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO; /* it has told why */
}

/* All of it, even if a part fails. */
static int release(const State *state) {
        const char *name = state->name;
        int r, k;

        r = layer_remove_ephemeral(name);
        k = range_release(name, state->uid_base);
        if (k < 0)
                r = log_error_errno(k, "cannot release the user ids of '%s': %m", name);
        k = run_remove(name, 0);
        if (k < 0)
                r = log_error_errno(k, "cannot remove what berth run has made for '%s': %m", name);
        k = state_remove(name);
        if (k < 0)
                r = log_error_errno(k, "cannot remove '%s/%s': %m", BERTH_CONTAINER_DIR, name);
        return r;
}

int verb_cleanup(int argc, char *argv[]) {
        _cleanup_strv_ char **hook = NULL;
        _cleanup_state_ State state = {};
        const char *name = NULL;
        int r, k, status;

        (void) argc;
        r = parse_words(argv, &name, &hook);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        /* Where there is a hook, its own exit status is what systemd keeps for us: see berth status. */
        status = hook ? EXIT_BERTH : EXIT_FAILED;
        if (runs(name, &state) != 0 || end_processes(&state) < 0)
                return status;
        r = release(&state);
        k = run_error_hook(hook, &state);
        if (unregister(name) < 0 || r < 0) /* last: machined may take its time */
                return status;
        return k;
}
