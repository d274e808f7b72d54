/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/run.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/exec/messages.h"
#include "helper/exec/result.h"
#include "helper/launch/run-remove.h"
#include "helper/manage/transient.h"
#include "helper/verbs/verbs.h"

/* In the foreground the leader idles, and an exec runs the command, with all that exec can do. When the command has ended
 * the unit is stopped. If this process is killed before, its exec hears of it and ends, and who waits for this process
 * (run-end.c) stops the unit, which systemd has cleaned up. */

typedef struct Way { /* what is open meanwhile */
        sd_bus *bus;
        char unit[NAME_LENGTH_MAX + sizeof(".service")];
        RunEnd end;
} Way;

static void way_done(Way *way) {
        sd_bus_flush_close_unref(way->bus);
        run_end_done(&way->end);
}

/* The name must be nobody's, or with --replace that of a container that was run as this one. */
static int claim_name(const Run *run, const Way *way) {
        _cleanup_unit_status_ UnitStatus status = {};
        _cleanup_free_ char *error = NULL;
        int r;

        r = bus_get_unit(way->bus, way->unit, &status);
        if (r < 0)
                return log_error_errno(r, "cannot look at '%s': %m", way->unit);
        if (!status.load || streq(status.load, "not-found"))
                return run->replace ? run_remove(run->name, 0) : 0; /* what a kill may have left */
        if (!run_exists(run->name))
                return log_error_errno(
                                EEXIST,
                                "'%s' exists and is no container that was only run; choose another --name=",
                                way->unit);
        if (!run->replace)
                return log_error_errno(EEXIST, "container '%s' is running; --replace stops it first",
                                       run->name);
        r = transient_stop(way->bus, way->unit, &error);
        if (r < 0)
                return run_log_manager(r, "stop", way->unit, error);
        return run_remove(run->name, 0);
}

static int start_unit(Way *way) {
        _cleanup_free_ char *error = NULL;
        uint64_t began = clock_usec(CLOCK_REALTIME);
        int r;

        r = transient_start_unit(way->bus, way->unit, &error);
        if (r == -ECANCELED) { /* the unit has said why */
                run_log_errors(way->unit, began);
                return log_error_errno(r, "container of '%s' did not start", way->unit);
        }
        return r < 0 ? run_log_manager(r, "start", way->unit, error) : 0;
}

static _Noreturn void execute(const Run *run, pid_t parent, const sigset_t *mask) {
        _cleanup_strv_ char **argv = NULL;
        int r;

        (void) sigprocmask(SIG_SETMASK, mask, NULL);
        r = strv_append(&argv, "berth");
        if (r >= 0)
                r = strv_append(&argv, "exec");
        for (char **option = run->exec; r >= 0 && option && *option; option++)
                r = strv_append(&argv, *option);
        if (r >= 0)
                r = strv_append(&argv, run->name);
        if (r >= 0)
                r = strv_append(&argv, "--");
        for (char *const *word = run->command; r >= 0 && *word; word++)
                r = strv_append(&argv, *word);
        /* KILL to this program must end the command too; exec takes TERM as a hang-up. */
        if (r >= 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) >= 0 && getppid() == parent)
                (void) execv(BERTH_BINDIR "/berth", argv);
        (void) log_error_errno(errno, "cannot execute %s: %m", BERTH_BINDIR "/berth");
        _exit(EXIT_BERTH);
}

/* Passes on what is sent to this process alone; the terminal sends to both. */
static int attend_exec(pid_t pid, const sigset_t *set) {
        for (;;) {
                siginfo_t info;
                int status, signal = sigwaitinfo(set, &info);

                if (signal > 0 && signal != SIGCHLD && info.si_code == SI_USER)
                        (void) kill(pid, signal);
                if (signal != SIGCHLD || waitpid(pid, &status, WNOHANG) != pid)
                        continue;
                return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL_BASE + WTERMSIG(status);
        }
}

static int run_exec(const Run *run) {
        static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD };
        struct sigaction action = { .sa_handler = SIG_DFL };
        sigset_t set, before;
        pid_t parent = getpid(), pid;

        sigemptyset(&set);
        for (size_t i = 0; i < ARRAY_LEN(signals); i++)
                sigaddset(&set, signals[i]);
        (void) sigaction(SIGCHLD, &action, NULL); /* ignoring is inherited, and would lose the status */
        (void) sigprocmask(SIG_BLOCK, &set, &before);
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot make a process: %m"), EXIT_BERTH;
        if (pid == 0)
                execute(run, parent, &before);
        return attend_exec(pid, &set);
}

/* Brings the container up. 0 or negative errno, logged; *stage is for the result. */
static int bring_up(const Run *run, Way *way, const char **stage) {
        int r;

        *stage = "systemd";
        way->bus = bus_open();
        if (!way->bus)
                return log_error_errno(ENOTCONN, "berth run needs systemd, and there is no system bus");
        snprintf(way->unit, sizeof(way->unit), "%s.service", run->name);
        *stage = "name";
        r = claim_name(run, way);
        if (r < 0)
                return r;
        *stage = "unit";
        r = run_begin(run, way->bus, &way->end);
        if (r < 0)
                return r;
        *stage = "manifest";
        r = run_write(run, run->detach ? NULL : way->end.unit);
        if (r >= 0) {
                *stage = "launch";
                r = start_unit(way);
        }
        if (r >= 0 && run->detach) {
                r = run_release(run->name, getpid());
                if (r < 0)
                        (void) log_error_errno(r, "cannot release '%s/%s': %m", RUN_DIR, run->name);
        }
        return r;
}

/* Stops the container, which is bound to that unit: not what another berth run --replace has put in its place. */
static void take_down(const Run *run, const Way *way) {
        _cleanup_free_ char *error = NULL;
        int r;

        if (way->end.unit[0] == '\0')
                return;
        r = transient_stop(way->bus, way->end.unit, &error);
        if (r < 0)
                (void) run_log_manager(r, "stop", way->end.unit, error);
        r = run_remove(run->name, getpid()); /* cleanup has done so, if the stop went as it should */
        if (r < 0)
                (void) log_error_errno(r, "cannot remove '%s/%s': %m", RUN_DIR, run->name);
}

static int print_failure(int r, const char *stage, const char *message) {
        GuardReport report = { .figures = FIGURES_NONE };
        Result result = { .failure = { .stage = stage, .error = r }, .message = message, .report = &report };

        return result_print(&result);
}

int verb_run(int argc _unused_, char *argv[]) {
        _cleanup_(way_done) Way way = { .end = RUN_END_NONE };
        _cleanup_free_ char *message = NULL;
        Messages messages = MESSAGES_NONE;
        _cleanup_run_ Run run = {};
        const char *stage = "usage";
        int r, status;

        r = messages_begin(&messages);
        if (r < 0)
                return EXIT_BERTH;
        r = run_parse(argv, &run);
        if (r == 0)
                r = bring_up(&run, &way, &stage);
        messages_end(&messages, &message);
        if (r > 0) /* --help */
                return EXIT_DONE;
        if (r < 0) {
                take_down(&run, &way);
                if (run.json && !run.detach)
                        (void) print_failure(r, stage, message);
                return EXIT_BERTH;
        }
        if (run.detach) {
                puts(run.name);
                return EXIT_DONE;
        }
        status = run_exec(&run);
        take_down(&run, &way);
        return status;
}
