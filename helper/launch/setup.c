/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/setup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/command.h"
#include "helper/container/data.h"
#include "helper/container/notify.h"
#include "helper/launch/layer.h"
#include "helper/launch/patience.h"
#include "helper/verbs/options.h"
#include "helper/verbs/verbs.h"

#define MARK "setup" /* in the layer's directory, as long as they are at work */

/* What of the launch holds for its setup as well. Left out is what belongs to the service: its user and directory,
 * mounts (a failure would leave something in them), sockets, secrets, network and policy. */
static bool is_passed_on(int option) {
        static const LaunchOption passed[] = {
                LAUNCH_IMAGE,
                LAUNCH_ENV,
                LAUNCH_ENV_FILE,
                LAUNCH_HOSTNAME,
                LAUNCH_TIMEZONE,
                LAUNCH_PRIVATE_USERS,
                LAUNCH_CAPABILITY,
                LAUNCH_DROP_CAPABILITY,
                LAUNCH_ADD_HOST,
                LAUNCH_NO_NEW_PRIVILEGES,
                LAUNCH_DISK,
                LAUNCH_SYSTEM_CALL_FILTER,
                LAUNCH_SHM_SIZE,
                LAUNCH_SECCOMP_PROFILE,
                LAUNCH_APPARMOR_PROFILE,
        };

        for (size_t i = 0; i < ARRAY_LEN(passed); i++)
                if ((int) passed[i] == option)
                        return true;
        return false;
}

/* The command line that every command of the setup begins with. */
static int make_line(const Plan *plan, char *argv[], char ***ret) {
        OptionParser parser = { .options = launch_options, .argv = argv, .command = true };
        _cleanup_strv_ char **line = NULL;
        const char *value;
        int r, option;

        r = strv_append(&line, "berth");
        if (r >= 0)
                r = strv_append(&line, "launch");
        if (r >= 0)
                r = strv_append(&line, "--foreground");
        if (r >= 0)
                r = strv_append(&line, "--ephemeral=no");
        if (r >= 0)
                r = strv_append(&line, "--entrypoint=");
        if (r >= 0)
                r = strv_append(&line, plan->setup_network ? "--network=host" : "--network=none");
        if (r >= 0)
                r = strv_appendf(&line, "--name=%s", plan->name);
        while (r >= 0 && (option = options_next(&parser, &value)) != OPTIONS_END)
                if (is_passed_on(option))
                        r = strv_appendf(&line, "--%s=%s", launch_options[option].name, value);
        if (r >= 0)
                r = strv_append(&line, "--");
        if (r < 0)
                return log_oom();
        *ret = TAKE_PTR(line);
        return 0;
}

/* Waits for the end of a command. */
static int await(pid_t pid, int *ret_status) {
        while (waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "cannot wait for a process: %m");
        return 0;
}

/* One command, in a launch of its own. Nothing of systemd's is for it. */
static int run_command(char *const line[], const char *first) {
        _cleanup_free_ char *text = NULL;
        pid_t pid;
        int r, status;

        if (asprintf(&text, "STATUS=Setting up: %.*s", (int) strcspn(first, "\n"), first) < 0) {
                text = NULL;
                return log_oom();
        }
        (void) notify_send(0, text); /* nobody there: nobody reads */
        pid = command_fork();        /* one that outlived us would work on the layer of the next start */
        if (pid < 0)
                return log_error_errno(pid, "cannot make a process: %m");
        if (pid == 0) {
                (void) unsetenv("NOTIFY_SOCKET");
                (void) unsetenv("LISTEN_PID");
                (void) unsetenv("LISTEN_FDS");
                (void) unsetenv("WATCHDOG_USEC");
                execv("/proc/self/exe", line);
                _exit(EXIT_BERTH);
        }
        r = await(pid, &status);
        if (r < 0 || status == 0)
                return r;
        return log_error_errno(ECANCELED,
                               "Exec= of [Setup], '%s', has failed (%s %d); nothing of it is kept", first,
                               WIFEXITED(status) ? "exit status" : "signal",
                               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* plan->setup is "!WORD" for the first word of a command and " WORD" for its further ones. */
static int run_commands(const Plan *plan, char *const line[]) {
        for (char **word = plan->setup; *word;) {
                _cleanup_strv_ char **command = NULL;
                const char *first = *word + 1;
                int r = strv_copy(line, &command);

                do
                        r = r < 0 ? r : strv_append(&command, *word + 1);
                while (*++word && **word != '!');
                if (r < 0)
                        return log_oom();
                log_info("setting up: %s", first);
                r = run_command(command, first);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Is there a layer that is to be left as it is? */
static int has_layer(int layers_fd, const char *name) {
        _cleanup_close_ int fd = openat(layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        /* the stamp is missing where a kill came before it */
        return layer_is_stamped(fd) && faccessat(fd, MARK, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

/* Makes the layer anew and returns it locked. Whoever is at work on the one that is there, such as what is about to end
 * of a start that was killed, has a lock on it: -EBUSY. */
static int make_marked(int layers_fd, const char *name) {
        _cleanup_close_ int old_fd = layer_lock(layers_fd, name, /* exclusive= */ true), fd = -EBADF;
        int r;

        if (old_fd < 0 && old_fd != -ENOENT)
                return old_fd;
        r = layer_remove(layers_fd, name);
        if (r < 0)
                return r;
        fd = make_path(layers_fd, name, 0700);
        r = fd < 0 ? fd : write_file_at(fd, MARK, "", 0, 0600);
        return r < 0 ? r : layer_lock(layers_fd, name, /* exclusive= */ false);
}

static int finish(int layers_fd, const char *name) {
        _cleanup_close_ int fd = openat(layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        /* its launches had no mounts, and the container's first one may fail before it says what it has */
        if (fd >= 0 && layer_forget_mounts(fd) < 0)
                return log_error_errno(errno, "[Setup] cannot be completed: %m");
        /* on disk before it counts as done: what an installation wrote is not read back by anyone */
        if (fd < 0 || syncfs(fd) < 0 || unlinkat(fd, MARK, 0) < 0 || fsync(fd) < 0)
                return log_error_errno(errno, "[Setup] cannot be completed: %m");
        return 0;
}

int setup_run(const Plan *plan, char *argv[]) {
        _cleanup_close_ int layers_fd = -EBADF, layer_fd = -EBADF;
        _cleanup_patience_ Patience patience = {};
        _cleanup_strv_ char **line = NULL;
        int r;

        layers_fd = data_open("layers");
        r = layers_fd < 0 ? layers_fd : has_layer(layers_fd, plan->name);
        if (r > 0)
                return 0;
        patience = patience_begin(NULL);
        if (r == 0)
                layer_fd = r = make_marked(layers_fd, plan->name);
        if (r == -EBUSY)
                return log_error_errno(r,
                                       "the kept layer of '%s' is just being set up or removed; try again",
                                       plan->name);
        if (r < 0)
                return log_error_errno(r, "[Setup] cannot make the layer of '%s': %m", plan->name);
        r = make_line(plan, argv, &line);
        if (r >= 0)
                r = run_commands(plan, line);
        if (r >= 0)
                r = finish(layers_fd, plan->name);
        if (r < 0 && layer_remove(layers_fd, plan->name) < 0)
                log_warning("what [Setup] has left could not be removed; the next start will");
        return r;
}
