/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/capability.h"
#include "common/clock.h"
#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/cgroup.h"
#include "helper/container/kept.h"
#include "helper/container/selfexec.h"
#include "helper/exec/attend.h"
#include "helper/exec/detach.h"
#include "helper/exec/messages.h"
#include "helper/exec/request.h"
#include "helper/exec/result.h"
#include "helper/exec/scope.h"
#include "helper/exec/session.h"
#include "helper/verbs/verbs.h"

/* berth exec and berth shell: a command in a running container. */

static bool is_number(const char *s) {
        return s[strspn(s, "0123456789")] == '\0';
}

/* The leader's: its ids are what launch has resolved, passwd only adds home and shell. */
static int leader_user(const Enter *enter, User *ret) {
        const State *state = &enter->state;
        _cleanup_user_ User user = {};
        char number[16];
        int r = -ESRCH;

        if (state->user[0] && !is_number(state->user))
                r = user_find(enter->root_fd, state->user, &user);
        if (r == -ESRCH || (r >= 0 && user.uid != state->uid)) { /* renamed since the start */
                snprintf(number, sizeof(number), "%u", state->uid);
                user_done(&user);
                r = user_find(enter->root_fd, number, &user);
        }
        if (r < 0)
                return log_error_errno(r, "user of container '%s': %s", state->name, user_strerror(r));
        user.gid = state->gid;
        user.n_groups = state->n_groups;
        user.groups = calloc(state->n_groups, sizeof(gid_t));
        if (!user.groups)
                return log_oom();
        memcpy(user.groups, state->groups, state->n_groups * sizeof(gid_t));
        *ret = user;
        user = (User){};
        return 0;
}

/* USER or USER:GROUP */
static int asked_user(const Enter *enter, const char *text, User *ret) {
        _cleanup_free_ char *copy = strdup(text);
        char *group;
        int r;

        if (!copy)
                return log_oom();
        group = strchr(copy, ':');
        if (group)
                *group++ = '\0';
        r = user_resolve(enter->root_fd, copy, group, ret);
        if (r < 0)
                return log_error_errno(r, "--user=%s: %s", text, user_strerror(r));
        return 0;
}

static int find_user(const Enter *enter, const char *text, User *ret) {
        const State *state = &enter->state;
        int r = text ? asked_user(enter, text, ret) : leader_user(enter, ret);

        if (r < 0 || state->uid_count == 0)
                return r;
        if (ret->uid >= state->uid_count)
                return log_error_errno(ERANGE, "user %u does not exist in container '%s', which has 0 to %u",
                                       ret->uid, state->name, state->uid_count - 1);
        for (size_t i = 0; i < ret->n_groups; i++)
                if (ret->groups[i] >= state->uid_count)
                        return log_error_errno(
                                        ERANGE,
                                        "group %u does not exist in container '%s', which has 0 to %u",
                                        ret->groups[i], state->name, state->uid_count - 1);
        return 0;
}

/* TERM as the caller's, unless it is none that a terminfo name could be. */
static const char *terminal_type(void) {
        const char *type = getenv("TERM");

        if (!type || *type == '\0' || strlen(type) > 64 ||
            type[strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._")] != '\0')
                return "xterm";
        return type;
}

/* Adds to the leader's: what is asked for, what passwd gives, TERM. */
static int make_env(char *const *asked, const User *user, bool tty, char ***env) {
        int r = 0;

        for (; r >= 0 && asked && *asked; asked++)
                r = strv_env_set(env, *asked);
        if (r >= 0)
                r = user_fill_env(user, env);
        if (r >= 0 && tty && !strv_env_get(*env, "TERM"))
                r = strv_appendf(env, "TERM=%s", terminal_type());
        return r < 0 ? log_oom() : 0;
}

static uid_t host_id(const State *state, uid_t id) {
        return state->uid_count > 0 ? state->uid_base + id : id;
}

/* What berth env has kept. */
static int add_kept(State *state) {
        int r = kept_load(state->name, &state->env);

        return r < 0 ? log_error_errno(r, "cannot read the variables that are kept for container '%s': %m",
                                       state->name)
                     : 0;
}

/* --cap-add: never more than the container has. */
static int check_capabilities(const Request *request, const State *state) {
        uint64_t missing = request->capabilities & ~state->capabilities;

        for (unsigned number = 0; number < 64; number++)
                if (missing & (UINT64_C(1) << number))
                        return log_error_errno(EPERM,
                                               "--cap-add=%s: container '%s' does not have it; "
                                               "Capability= of its manifest gives it",
                                               capability_name(number), state->name);
        return 0;
}

/* One exec, from the way in to what is said of it. */
typedef struct Exec {
        const Request *request;
        Enter enter;
        User user;
        Stdio stdio;
        Collect collect;
        char **login; /* words of a login shell */
        char **command, *directory;
        Session session;
        Scope scope;
        Spawn spawn;
        uint64_t duration_usec;
        GuardReport report;
        Failure failure;
        Messages messages;
} Exec;

static void exec_done(Exec *exec) {
        stdio_done(&exec->stdio);
        collect_done(&exec->collect);
        user_done(&exec->user);
        enter_done(&exec->enter);
        session_done(&exec->session);
        scope_done(&exec->scope);
        exec->login = strv_free(exec->login);
        exec->command = strv_free(exec->command);
        free(exec->directory);
}

/* Remembers what failed, for the result. Returns the exit status. */
static int fail(Exec *exec, const char *stage, int error) {
        exec->failure = (Failure){ .stage = stage, .error = error };
        return EXIT_BERTH;
}

/* What a call that ran out of time has changed is half a change. */
static void keep_session(Exec *exec, const GuardReport *report) {
        if (report->started && !report->timed_out && session_keep(&exec->session) < 0)
                log_warning("session '%s' stays as it was before this call", exec->request->session);
}

/* --scope: beside the container's unit, in which it would be otherwise. */
static int make_scope(Exec *exec, int signal_fd) {
        const Request *request = exec->request;
        ScopePlan plan = { .enter = &exec->enter,
                           .properties = request->properties,
                           .command = request->command,
                           .signal_fd = signal_fd };
        int r;

        if (!request->scope)
                return 0;
        r = scope_start(&plan, &exec->scope);
        if (r >= 0)
                exec->enter.group_fd = exec->scope.group_fd;
        return r;
}

/* From here on something exists that must be ended, and a guard that sees to it. */
static int start_and_attend(Exec *exec) {
        const Request *request = exec->request;
        const State *state = &exec->enter.state;
        _cleanup_guard_ Guard guard = GUARD_NONE;
        _cleanup_close_ int signal_fd = -EBADF;
        Confinement confinement = {
                .user = &exec->user,
                .capabilities = state->capabilities,
                /* what is ambient is the leader's user's, and nobody else's whom --user= names */
                .ambient = (exec->user.uid == state->uid ? state->ambient : 0) |
                           (exec->user.uid != 0 ? request->capabilities : 0),
                .no_new_privs = state->no_new_privs,
                .bounded = !state->host_pids, /* by a guard that has joined */
                .filter = { .restrict_suid_sgid = state->restrict_suid_sgid,
                            .network = state->capabilities & (UINT64_C(1) << CAP_NET_ADMIN),
                            .replaces = state->filter_replaces,
                            .program = state->filter,
                            .size = state->filter_size },
        };
        GuardTask task = { .timeout_usec = request->timeout_usec,
                           .count = request->json != JSON_NO || request->scope,
                           .scope = request->scope ? &exec->scope : NULL };
        Attend attend = {
                .spawn = &exec->spawn,
                .stdio = &exec->stdio,
                .guard = &guard,
                .collect = request->json != JSON_NO ? &exec->collect : NULL,
        };
        uint64_t began;
        int r;

        attend.signal_fd = signal_fd = r = attend_open_signals();
        if (r < 0)
                return fail(exec, "signals", r);
        r = make_scope(exec, signal_fd);
        if (r < 0)
                return fail(exec, "scope", r);
        if (task.count && !task.scope)
                cgroup_count_children(exec->enter.unit_fd);
        r = enter_read_limits(&exec->enter);
        if (r < 0)
                return fail(exec, "container", r);
        r = enter_name_cgroup(&exec->enter);
        if (r < 0)
                return fail(exec, "cgroup", r);
        exec->spawn.confinement = &confinement;
        began = monotonic_usec();
        r = guard_start(&exec->spawn, &task, &guard);
        if (r < 0)
                return fail(exec, "start", r);
        r = enter_make_cgroup(&exec->enter);
        if (r < 0) {
                guard_kill(&guard);
                return fail(exec, "cgroup", r);
        }
        guard_order(&guard, GUARD_GO, 0);
        stdio_close_inside(&exec->stdio);
        if (exec->stdio.tty) {
                terminal_save(&exec->stdio.terminal, 0);
                (void) terminal_make_raw(&exec->stdio.terminal);
        }
        r = attend_run(&attend);
        exec->duration_usec = monotonic_usec() - began;
        if (request->session && r != EXIT_BERTH)
                keep_session(exec, &attend.report);
        exec->report = attend.report;
        exec->failure = attend.failure;
        if (!attend.report.started) /* the guard may have been too early to remove it */
                (void) unlinkat(exec->enter.group_fd, exec->enter.cgroup, AT_REMOVEDIR);
        if (task.scope)
                scope_tell(&exec->report.figures, state->name);
        return r;
}

/* "-bash": how a shell is told that it is a login shell. */
static int login_words(const char *shell, char ***ret) {
        const char *slash = strrchr(shell, '/');

        return strv_appendf(ret, "-%s", slash ? slash + 1 : shell) < 0 ? log_oom() : 0;
}

/* Root inside is, to our own file, the host's root: with PrivateUsers=no and =identity. */
static int protect_ourselves(const Exec *exec, char *argv[]) {
        const State *state = &exec->enter.state;
        int r;

        if (state->uid_base != 0)
                return 0;
        messages_pause(&exec->messages); /* it does not come back, and begins anew */
        r = selfexec_protect(argv);
        messages_resume(&exec->messages);
        if (r < 0)
                return log_error_errno(r, "cannot protect berth's own file from container '%s': %m",
                                       state->name);
        return 0;
}

static int open_streams(Exec *exec, bool tty) {
        const Request *request = exec->request;
        const State *state = &exec->enter.state;
        StdioPlan plan = {
                .tty = tty,
                .size = request->size_given ? &request->size : NULL,
                .input = request->input,
                .collect = request->json != JSON_NO,
                .uid_base = state->uid_base,
                .uid_count = state->uid_count,
        };
        int r = stdio_open(&exec->stdio, &plan, exec->enter.root_fd, host_id(state, exec->user.uid),
                           host_id(state, exec->user.gid));

        if (r < 0 || !plan.collect)
                return r;
        r = collect_init(&exec->collect, (size_t) request->max_output, request->json == JSON_STREAM,
                         exec->stdio.output);
        return r < 0 ? log_error_errno(r, "cannot keep the command's output: %m") : 0;
}

static int plan_spawn(Exec *exec, char *argv[]) {
        const Request *request = exec->request;

        /* of words of our own: the guard forgets the command line */
        if (strv_copy(request->command, &exec->command) < 0 ||
            (request->directory && !(exec->directory = strdup(request->directory))))
                return log_oom();
        exec->spawn = (Spawn){
                .enter = &exec->enter,
                .stdio = &exec->stdio,
                .argv = request->session   ? exec->session.argv
                        : request->command ? exec->command
                                           : exec->login,
                .extra_fd = request->session ? exec->session.state_fd : 0,
                .file = request->command ? NULL : exec->user.shell,
                .env = exec->enter.state.env,
                .directory = request->directory ? exec->directory
                             : request->command ? exec->enter.state.working_directory
                                                : exec->user.home,
                .directory_optional = !request->command && !request->directory,
                .own_argv = argv - 1, /* a verb's argv[0] is the second word of the command line */
        };
        return 0;
}

static int run(Exec *exec, char *argv[]) {
        const Request *request = exec->request;
        _cleanup_strv_ char **env = NULL;
        Enter *enter = &exec->enter;
        bool tty = request_wants_tty(request);
        int r;

        r = enter_open(request->name, enter);
        if (r < 0)
                return fail(exec, "container", r);
        r = protect_ourselves(exec, argv);
        if (r < 0)
                return fail(exec, "protect", r);
        r = find_user(enter, request->user, &exec->user);
        if (r < 0)
                return fail(exec, "user", r);
        r = check_capabilities(request, &enter->state);
        if (r < 0)
                return fail(exec, "capabilities", r);
        r = request_environment(request, &env);
        if (r >= 0 && request->detach)
                return fail(exec, "detach", detach_execute(request, env)); /* all that can be told now was */
        if (r >= 0)
                r = add_kept(&enter->state);
        if (r >= 0)
                r = make_env(env, &exec->user, tty, &enter->state.env);
        if (r >= 0 && !request->command)
                r = login_words(exec->user.shell, &exec->login);
        if (r < 0)
                return fail(exec, "environment", r);
        if (request->session) {
                r = session_open(request->name, request->session, &exec->user, request->command, env,
                                 host_id(&enter->state, exec->user.uid), &exec->session);
                if (r < 0)
                        return fail(exec, "session", r);
        }
        r = open_streams(exec, tty);
        if (r < 0)
                return fail(exec, "streams", r);
        r = plan_spawn(exec, argv);
        if (r < 0)
                return fail(exec, "start", r);
        return start_and_attend(exec);
}

static int print_result(Exec *exec) {
        _cleanup_free_ char *message = NULL;
        Result result = {
                .failure = exec->failure,
                .report = &exec->report,
                .duration_usec = exec->duration_usec,
                .collect = exec->report.started ? &exec->collect : NULL,
        };

        messages_end(&exec->messages, &message);
        result.message = message;
        return result_print(&result);
}

static int verb(char *argv[], bool shell) {
        _cleanup_request_ Request request = {};
        _cleanup_(exec_done) Exec exec = {
                .request = &request,
                .enter = ENTER_NONE,
                .stdio = STDIO_NONE,
                .collect = COLLECT_NONE,
                .session = SESSION_NONE,
                .scope = SCOPE_NONE,
                .report = { .figures = FIGURES_NONE },
                .messages = MESSAGES_NONE,
        };
        int parsed, status;
        bool json;

        /* Unreadable from the start, as /proc/PID of this process is about to be looked at by others. */
        if (stdio_fill() < 0 || confine_descriptors(3) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return EXIT_BERTH;
        json = !shell && options_mention(argv, "json");
        if (json && messages_begin(&exec.messages) < 0)
                return EXIT_BERTH;
        parsed = request_parse(argv, shell, &request);
        if (parsed < 0 && json && request.json == JSON_NO)
                request.json = JSON_OBJECT;
        if (request.json == JSON_NO)
                messages_end(&exec.messages, NULL);
        if (parsed > 0)
                return 0;
        status = parsed < 0 ? fail(&exec, "usage", parsed) : run(&exec, argv);
        if (request.json != JSON_NO && print_result(&exec) < 0)
                return EXIT_BERTH;
        return status;
}

int verb_exec(int argc _unused_, char *argv[]) {
        return verb(argv, /* shell= */ false);
}

int verb_shell(int argc _unused_, char *argv[]) {
        return verb(argv, /* shell= */ true);
}
