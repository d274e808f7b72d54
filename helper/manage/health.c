/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "helper/container/bus.h"
#include "helper/container/inventory.h"
#include "helper/container/notify.h"
#include "helper/manage/health-state.h"
#include "helper/manage/journal.h"
#include "helper/verbs/verbs.h"

/* berth health: one check of a container, by berth exec, and what follows from it. Called by the timer of a manifest
 * with [Health]; what is known between two checks stands in the container's state. */

typedef enum Action {
        ACTION_NONE,
        ACTION_RESTART,
        ACTION_STOP,
        _ACTION_MAX,
} Action;

typedef struct Check { /* borrows from argv */
        const char *name;
        const char *timeout;
        char *const *command;
        uint64_t interval_usec, start_period_usec;
        uint32_t retries;
        bool notify; /* systemd waits for the first success */
        Action action;
} Check;

static int parse_time(int option, const char *value, uint64_t *ret) {
        return parse_timespan(value, ret) >= 0
                               ? 0
                               : log_error_errno(EINVAL, "--%s=%s: expected a time span, like 30s",
                                                 health_options[option].name, value);
}

static int parse_option(Check *check, int option, const char *value) {
        static const char *const actions[_ACTION_MAX] = {
                [ACTION_NONE] = "none", [ACTION_RESTART] = "restart", [ACTION_STOP] = "stop"
        };
        uint64_t unused;

        switch ((HealthOption) option) {
        case HEALTH_NAME:
                check->name = value;
                return name_valid(value, false)
                                       ? 0
                                       : log_error_errno(EINVAL, "--name=%s: no container's name", value);
        case HEALTH_INTERVAL:
                return parse_time(option, value, &check->interval_usec);
        case HEALTH_TIMEOUT:
                check->timeout = value;
                return parse_time(option, value, &unused);
        case HEALTH_RETRIES:
                return parse_uint32(value, &check->retries) >= 0 && check->retries > 0
                                       ? 0
                                       : log_error_errno(EINVAL, "--retries=%s: expected a number above 0",
                                                         value);
        case HEALTH_START_PERIOD:
                return parse_time(option, value, &check->start_period_usec);
        case HEALTH_NOTIFY:
                return parse_bool(value, &check->notify) >= 0
                                       ? 0
                                       : log_error_errno(EINVAL, "--notify=%s: expected yes or no", value);
        case HEALTH_ON_FAILURE:
                for (size_t i = 0; i < _ACTION_MAX; i++)
                        if (streq(actions[i], value)) {
                                check->action = (Action) i;
                                return 0;
                        }
                return log_error_errno(EINVAL, "--on-failure=%s: expected none, restart or stop", value);
        case _HEALTH_MAX:
        default:
                return -EINVAL;
        }
}

/* 0, 1 after --help, or -EINVAL, logged. */
static int parse_check(char *argv[], Check *ret) {
        OptionParser parser = { .options = health_options, .argv = argv, .command = true };
        Check check = { .timeout = "30s", .retries = 3 };
        const char *value;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == OPTIONS_HELP)
                        return verb_help("health"), 1;
                r = r < 0 ? r : parse_option(&check, r, value);
                if (r < 0)
                        return r;
        }
        if (!check.name || !parser.rest[0])
                return log_error_errno(EINVAL, "expected --name=NAME and a command behind --");
        check.command = parser.rest;
        *ret = check;
        return 0;
}

/* The end of what a check prints. */
typedef struct Tail {
        char data[2 * HEALTH_OUTPUT_MAX];
        size_t n;
} Tail;

/* Reads what is there now: 1; 0 at the end. */
static int tail_read(Tail *tail, int fd) {
        ssize_t n;

        if (tail->n == sizeof(tail->data)) {
                memmove(tail->data, tail->data + HEALTH_OUTPUT_MAX, HEALTH_OUTPUT_MAX);
                tail->n = HEALTH_OUTPUT_MAX;
        }
        n = read(fd, tail->data + tail->n, sizeof(tail->data) - tail->n);
        if (n < 0)
                return errno == EINTR ? 1 : -errno;
        tail->n += (size_t) n;
        return n > 0;
}

/* As text that may be printed anywhere: the container chose the bytes. */
static char *tail_text(const Tail *tail) {
        size_t n = MIN(tail->n, (size_t) HEALTH_OUTPUT_MAX);
        const char *from = tail->data + tail->n - n;
        char *text = malloc(n + 1);

        if (!text)
                return NULL;
        for (size_t i = 0; i < n; i++)
                text[i] = (char) ((from[i] >= ' ' && from[i] < 0x7f) || from[i] == '\n' || from[i] == '\t'
                                                  ? from[i]
                                                  : '?');
        while (n > 0 && text[n - 1] == '\n')
                n--;
        text[n] = '\0';
        return text;
}

static _Noreturn void run_child(const Check *check, int output_fd) {
        static const char *const before[] = { "berth", "exec", "--no-tty" };
        char timeout[64];
        const char **argv;
        size_t n = 0, m = 0;

        while (check->command[n])
                n++;
        argv = calloc(n + ARRAY_LEN(before) + 4, sizeof(char *));
        if (!argv || dup2(output_fd, STDOUT_FILENO) < 0 || dup2(output_fd, STDERR_FILENO) < 0)
                _exit(EXIT_BERTH);
        for (; m < ARRAY_LEN(before); m++)
                argv[m] = before[m];
        snprintf(timeout, sizeof(timeout), "--timeout=%s", check->timeout);
        argv[m++] = timeout;
        argv[m++] = check->name;
        argv[m++] = "--";
        memcpy(argv + m, check->command, n * sizeof(char *));
        execv(BERTH_BINDIR "/berth", (char *const *) (uintptr_t) argv);
        _exit(EXIT_BERTH);
}

/* Waits for the check's end. What it has left in the container may hold its output open: that is not waited for. */
static int attend_child(int pidfd, int output_fd, Tail *tail) {
        struct pollfd fds[] = { { .fd = output_fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
        siginfo_t info = {};

        for (;;) {
                int r = poll(fds, ARRAY_LEN(fds), -1);

                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r > 0 && fds[0].revents != 0 && tail_read(tail, output_fd) <= 0)
                        fds[0].fd = -1;
                else if (r > 0 && fds[0].revents == 0 && fds[1].revents != 0)
                        break; /* all that it had printed is read */
                else if (r > 0 && fds[0].fd < 0 && fds[1].revents != 0)
                        break;
        }
        while (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return -errno;
        return info.si_code == CLD_EXITED ? info.si_status : EXIT_SIGNAL_BASE + info.si_status;
}

/* Returns the exit status of the check's command, with its output in *ret. */
static int run_check(const Check *check, char **ret) {
        _cleanup_close_ int output_fd = -EBADF, child_fd = -EBADF, pidfd = -EBADF;
        Tail tail = {};
        int ends[2], r;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        output_fd = ends[0];
        child_fd = ends[1];
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot make a process: %m");
        if (pid == 0)
                run_child(check, child_fd);
        child_fd = close_fd(child_fd);
        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0)
                return log_error_errno(errno, "cannot wait for the check: %m");
        r = attend_child(pidfd, output_fd, &tail);
        if (r < 0)
                return log_error_errno(r, "cannot wait for the check: %m");
        *ret = tail_text(&tail);
        return *ret ? r : log_oom();
}

static void tell_failure(const Check *check, const Health *health) {
        const char *last = strrchr(health->output, '\n');

        last = last ? last + 1 : health->output;
        log_warning("health check of '%s' failed (%u of %u): %s %u%s%.200s", check->name, health->failures,
                    check->retries,
                    health->exit_status == EXIT_TIMED_OUT ? "timeout, status" : "exit status",
                    health->exit_status, *last ? ": " : "", last);
}

/* What the check's status makes of the health; says what changes. */
static void judge(const Check *check, const State *state, int status, Health *health) {
        health->checked_usec = clock_usec(CLOCK_REALTIME);
        health->exit_status = (uint32_t) status;
        if (status == 0) {
                if (health->status == HEALTH_UNHEALTHY)
                        (void) log_full(LOG_NOTICE, 0, "container '%s' is healthy again", check->name);
                health->status = HEALTH_HEALTHY;
                health->failures = 0;
                return;
        }
        if (health->status == HEALTH_STARTING &&
            (check->notify || state_age_usec(state) < check->start_period_usec))
                return;
        if (health->failures < UINT32_MAX)
                health->failures++;
        if (health->failures <= check->retries)
                tell_failure(check, health);
        if (health->failures < check->retries || health->status == HEALTH_UNHEALTHY)
                return;
        health->status = HEALTH_UNHEALTHY;
        log_error("container '%s' is unhealthy", check->name);
}

/* OnFailure=. As long as it is unhealthy: what failed once may succeed later. Whoever asks the journal of the container
 * why it was stopped finds it there, not only in that of its check. */
static int act(const Check *check, const State *state) {
        static const char *const methods[_ACTION_MAX] = {
                [ACTION_RESTART] = "TryRestartUnit", [ACTION_STOP] = "StopUnit"
        };
        static const char *const words[_ACTION_MAX] = {
                [ACTION_RESTART] = "its health checks fail: it is restarted (OnFailure=restart)",
                [ACTION_STOP] = "its health checks fail: it is stopped (OnFailure=stop)"
        };
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        if (check->action == ACTION_NONE || !state->unit)
                return 0;
        journal_tell(state->pid, LOG_ERR, words[check->action]);
        journal_synchronize(); /* journald looks at the leader, who is to be there then */
        bus = bus_open();
        r = bus_call_unit(bus, methods[check->action], state->unit);
        return r < 0 ? log_error_errno(r, "cannot have '%s' %s: %m", state->unit,
                                       check->action == ACTION_STOP ? "stopped" : "restarted")
                     : 0;
}

/* Notify=healthy. systemd takes it as said by the leader (sd_pid_notify(3)). */
static void tell_ready(const State *state) {
        int r;

        (void) setenv("NOTIFY_SOCKET", "/run/systemd/notify", /* overwrite= */ 0);
        r = notify_send(state->pid, "READY=1");
        if (r < 0)
                log_warning_errno(r, "cannot tell systemd that '%s' is ready: %m", state->name);
}

static int check_container(const Check *check) {
        _cleanup_item_ Item item = {}, after = {};
        _cleanup_health_ Health health = {};
        int r, status;

        r = item_open(check->name, &item);
        if (r < 0)
                return item_log_error(check->name, r), EXIT_FAILED;
        /* A timer's first elapse can be that of the run before (systemd.timer(5), OnUnitInactiveSec=). */
        if (item.condition != CONDITION_RUNNING ||
            (!check->notify && state_age_usec(&item.state) < check->interval_usec))
                return EXIT_NOT_RUNNING;
        r = health_read(&item.state, &health);
        if (r < 0 && r != -ENOENT && r != -EBADMSG)
                return log_error_errno(r, "cannot read the health of '%s': %m", check->name), EXIT_FAILED;
        free(health.output);
        health.output = NULL;
        status = run_check(check, &health.output);
        if (status < 0)
                return EXIT_FAILED;
        /* Nothing is known of a container that ended, or was frozen, meanwhile. */
        if (status != 0 && (item_open(check->name, &after) < 0 || after.condition != CONDITION_RUNNING ||
                            after.state.pid != item.state.pid))
                return EXIT_NOT_RUNNING;
        if (status == 0 && health.status == HEALTH_STARTING && check->notify)
                tell_ready(&item.state);
        judge(check, &item.state, status, &health);
        r = health_write(&item.state, &health);
        if (r < 0)
                return r == -ENOENT ? EXIT_NOT_RUNNING
                                    : (log_error_errno(r, "cannot write the health of '%s': %m",
                                                       check->name),
                                       EXIT_FAILED);
        if (health.status == HEALTH_UNHEALTHY && act(check, &item.state) < 0)
                return EXIT_FAILED;
        return status == 0 ? EXIT_DONE : EXIT_FAILED;
}

int verb_health(int argc _unused_, char *argv[]) {
        Check check = {};
        int r = parse_check(argv, &check);

        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        return check_container(&check);
}
