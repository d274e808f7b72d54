/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/launch/run-remove.h"
#include "helper/manage/run.h"
#include "helper/manage/transient.h"
#include "helper/verbs/verbs.h"

/* Who ends after berth run: before anything is written a unit is started that holds the other end of a pipe. When berth run
 * has ended, however that came, its end is closed, and what it has made and not released is removed. Where who waits is killed
 * itself, the same is called as the unit's ExecStopPost=. */

static int plan_end(const Run *run, int stdin_fd, Transient *transient) {
        _cleanup_strv_ char **argv = NULL;
        int r;

        r = strv_append(&argv, BERTH_LIBEXECDIR "/berth-manage");
        if (r >= 0)
                r = strv_append(&argv, "run-end");
        if (r >= 0)
                r = strv_append(&argv, run->name);
        if (r >= 0)
                r = strv_appendf(&argv, "%d", getpid());
        if (r >= 0)
                r = transient_add(transient, "Description", "s", "Waits for the end of berth run");
        if (r >= 0)
                r = transient_add(transient, "Slice", "s", "machine.slice");
        if (r >= 0)
                r = transient_add(transient, "CollectMode", "s", "inactive-or-failed");
        if (r >= 0)
                r = transient_add(transient, "StandardInputFileDescriptor", "h", stdin_fd);
        if (r >= 0)
                r = transient_add_command(transient, "ExecStartEx", argv);
        return r < 0 ? r : transient_add_command(transient, "ExecStopPostEx", argv);
}

int run_begin(const Run *run, sd_bus *bus, RunEnd *ret) {
        _cleanup_transient_ Transient transient = {};
        _cleanup_close_ int read_fd = -EBADF, write_fd = -EBADF;
        _cleanup_free_ char *error = NULL;
        char unit[sizeof(ret->unit)];
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        read_fd = fds[0];
        write_fd = fds[1];
        /* with our number, for the name may be run again before it is gone */
        snprintf(unit, sizeof(unit), "berth-run-%s-%d.service", run->name, getpid());
        r = transient_begin(bus, unit, "fail", &transient);
        if (r >= 0)
                r = plan_end(run, read_fd, &transient);
        if (r >= 0)
                r = transient_start(bus, &transient, &error);
        if (r < 0)
                return run_log_manager(r, "start", unit, error);
        memcpy(ret->unit, unit, sizeof(unit));
        ret->fd = TAKE_FD(write_fd);
        return 0;
}

void run_end_done(RunEnd *end) {
        end->fd = close_fd(end->fd);
}

static int parse_words(char *argv[], const char **ret_name, pid_t *ret_client) {
        const char *value, *words[2] = {};
        OptionParser parser = { .argv = argv };
        uint32_t client = 0;
        size_t n = 0;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == OPTIONS_HELP)
                        return verb_help("run-end"), 1;
                if (r != OPTIONS_OPERAND || n == ARRAY_LEN(words))
                        return r < 0 ? r : log_error_errno(EINVAL, "run-end takes a name and a number");
                words[n++] = value;
        }
        if (n < 2 || !name_valid(words[0], false) || parse_uint32(words[1], &client) < 0 || client == 0 ||
            client > INT32_MAX)
                return log_error_errno(EINVAL, "run-end: expected the name of a container and a process");
        *ret_name = words[0];
        *ret_client = (pid_t) client;
        return 0;
}

/* Nothing is ever written there. */
static void wait_for_client(void) {
        char byte;

        while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
                ;
}

static int stop(const char *name) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        char unit[NAME_LENGTH_MAX + sizeof(".service")];
        _cleanup_free_ char *error = NULL;
        int r;

        snprintf(unit, sizeof(unit), "%s.service", name);
        r = bus ? transient_stop(bus, unit, &error) : -ENOTCONN;
        return r < 0 ? run_log_manager(r, "stop", unit, error) : 0;
}

int verb_run_end(int argc _unused_, char *argv[]) {
        const char *name = NULL,
                   *result = getenv("SERVICE_RESULT"); /* systemd.exec(5): of ExecStopPost= alone */
        pid_t client = 0;
        int r;

        r = parse_words(argv, &name, &client);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        if (result && streq(result, "success"))
                return EXIT_DONE;
        if (!result) /* else a client that lives waits for us, and has nothing to run any more */
                wait_for_client();
        if (run_is_of(name, client) && stop(name) < 0)
                return EXIT_FAILED;
        r = run_remove(name, client);
        if (r < 0)
                return log_error_errno(r, "cannot remove '%s/%s': %m", RUN_DIR, name), EXIT_FAILED;
        return EXIT_DONE;
}
