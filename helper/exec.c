/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/attend.h"
#include "helper/environment.h"
#include "helper/selfexec.h"
#include "helper/verbs.h"

/* berth exec and berth shell: a command in a running container. */

typedef struct Request { /* strings borrow from argv, vectors are its own */
        const char *name;
        char **command;   /* NULL: the user's login shell */
        const char *user; /* NULL: the leader's */
        const char *directory;
        char **env, **env_files;
        TtyMode tty;
        bool size_given;
        struct winsize size;
        uint64_t timeout_usec; /* 0: none */
} Request;

static void request_done(Request *request) {
        request->env = strv_free(request->env);
        request->env_files = strv_free(request->env_files);
}

static int add_env(Request *request, const char *value) {
        const char *own;
        int r;

        if (*value == '\0' || *value == '=')
                return log_error_errno(EINVAL,
                                       "--env=%s: expected NAME=VALUE, or NAME for the caller's value",
                                       value);
        if (strchr(value, '='))
                r = strv_append(&request->env, value);
        else {
                own = getenv(value);
                r = own ? strv_appendf(&request->env, "%s=%s", value, own) : 0;
        }
        return r < 0 ? log_oom() : 0;
}

static int parse_option(Request *request, int option, const char *value) {
        int r = 0;

        switch ((ExecOption) option) {
        case EXEC_USER:
                request->user = value;
                break;
        case EXEC_WORKDIR:
                request->directory = value;
                break;
        case EXEC_ENV:
                return add_env(request, value);
        case EXEC_ENV_FILE:
                return strv_append(&request->env_files, value) < 0 ? log_oom() : 0;
        case EXEC_TTY_SIZE:
                request->size_given = true;
                r = pty_parse_size(value, &request->size);
                if (r < 0)
                        return log_error_errno(r, "--tty-size=%s: expected ROWSxCOLS, each from 1 to 65535",
                                               value);
                break;
        case EXEC_TIMEOUT:
                r = parse_timespan(value, &request->timeout_usec);
                if (r < 0 || request->timeout_usec == 0)
                        return log_error_errno(EINVAL,
                                               "--timeout=%s: expected a time span above zero, like 30s",
                                               value);
                if (request->timeout_usec == UINT64_MAX)
                        request->timeout_usec = 0;
                break;
        case EXEC_TTY:
                request->tty = TTY_YES;
                break;
        case EXEC_NO_TTY:
                request->tty = TTY_NO;
                break;
        case _EXEC_MAX:
        default:
                return -EINVAL;
        }
        return 0;
}

/* 0, 1 after --help, or -EINVAL, logged. */
static int parse_request(char *argv[], bool shell, Request *request) {
        OptionParser parser = { .options = shell ? shell_options : exec_options,
                                .argv = argv,
                                .command = !shell,
                                .operands = 1 };
        const char *value;
        int r;

        for (;;) {
                r = options_next(&parser, &value);
                if (r < 0)
                        return r;
                if (r == OPTIONS_HELP) {
                        verb_help(shell ? "shell" : "exec");
                        return 1;
                }
                if (r == OPTIONS_END)
                        break;
                if (r == OPTIONS_OPERAND) {
                        if (request->name)
                                return log_error_errno(EINVAL,
                                                       "shell takes one container, but '%s' follows; "
                                                       "for a command use exec",
                                                       value);
                        request->name = value;
                        continue;
                }
                r = parse_option(request, r, value);
                if (r < 0)
                        return r;
        }
        if (!request->name)
                return log_error_errno(EINVAL, "expected the name of a container, see --help");
        if (!shell && !parser.rest[0])
                return log_error_errno(EINVAL, "expected a command: berth exec %s COMMAND", request->name);
        request->command = shell ? NULL : parser.rest;
        return 0;
}

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
                r = user_resolve(enter->root_fd, state->user, NULL, &user);
        if (r == -ESRCH || (r >= 0 && user.uid != state->uid)) { /* renamed since the start */
                snprintf(number, sizeof(number), "%u", state->uid);
                user_done(&user);
                r = user_resolve(enter->root_fd, number, NULL, &user);
        }
        if (r < 0)
                return log_error_errno(r, "user of container '%s': %s", state->name, user_strerror(r));
        free(user.groups);
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

/* Adds to the leader's: files, --env, what passwd gives, TERM. */
static int make_env(const Request *request, const User *user, bool tty, char ***env) {
        int r = 0;

        for (size_t i = 0; request->env_files && request->env_files[i]; i++) {
                r = environment_load(request->env_files[i], env);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; r >= 0 && request->env && request->env[i]; i++)
                r = strv_env_set(env, request->env[i]);
        if (r >= 0)
                r = user_fill_env(user, env);
        if (r >= 0 && tty && !strv_env_get(*env, "TERM"))
                r = strv_appendf(env, "TERM=%s", terminal_type());
        return r < 0 ? log_oom() : 0;
}

static uid_t host_id(const State *state, uid_t id) {
        return state->uid_count > 0 ? state->uid_base + id : id;
}

/* From here on something exists that must be ended, and a guard that sees to it. */
static int start_and_attend(const Request *request, Enter *enter, const User *user, Stdio *stdio,
                            Spawn *spawn) {
        _cleanup_guard_ Guard guard = GUARD_NONE;
        _cleanup_close_ int signal_fd = -EBADF;
        Confinement confinement = {
                .user = user,
                .capabilities = enter->state.capabilities,
                /* what is ambient is the leader's user's, and nobody else's whom --user= names */
                .ambient = user->uid == enter->state.uid ? enter->state.ambient : 0,
                .no_new_privs = enter->state.no_new_privs,
                .restrict_suid_sgid = enter->state.restrict_suid_sgid,
        };
        Attend attend = { .spawn = spawn, .stdio = stdio, .guard = &guard };

        attend.signal_fd = signal_fd = attend_open_signals();
        if (signal_fd < 0 || enter_make_cgroup(enter) < 0)
                return EXIT_BERTH;
        spawn->confinement = &confinement;
        if (guard_start(spawn, request->timeout_usec, &guard) < 0) {
                (void) unlinkat(enter->unit_fd, enter->cgroup, AT_REMOVEDIR);
                return EXIT_BERTH;
        }
        stdio_close_inside(stdio);
        if (stdio->tty) {
                terminal_save(&stdio->terminal, 0);
                (void) terminal_make_raw(&stdio->terminal);
        }
        return attend_run(&attend);
}

/* "-bash": how a shell is told that it is a login shell. */
static int login_words(const char *shell, char ***ret) {
        const char *slash = strrchr(shell, '/');

        return strv_appendf(ret, "-%s", slash ? slash + 1 : shell) < 0 ? log_oom() : 0;
}

static int run_request(const Request *request, char *argv[]) {
        _cleanup_enter_ Enter enter = ENTER_NONE;
        _cleanup_stdio_ Stdio stdio = STDIO_NONE;
        _cleanup_user_ User user = {};
        _cleanup_strv_ char **login = NULL;
        bool tty = stdio_wants_tty(request->command ? request->tty : TTY_YES);
        Spawn spawn = { .enter = &enter, .stdio = &stdio };
        const State *state = &enter.state;
        int r;

        r = enter_open(request->name, &enter);
        if (r < 0)
                return EXIT_BERTH;
        if (state->uid_base ==
            0) { /* root inside is, to our own file, the host's root: PrivateUsers=no, =identity */
                r = selfexec_protect(argv);
                if (r < 0) {
                        (void) log_error_errno(r, "cannot protect berth's own file from container '%s': %m",
                                               state->name);
                        return EXIT_BERTH;
                }
        }
        if (find_user(&enter, request->user, &user) < 0 ||
            make_env(request, &user, tty, &enter.state.env) < 0)
                return EXIT_BERTH;
        if (!request->command && login_words(user.shell, &login) < 0)
                return EXIT_BERTH;
        if (stdio_open(&stdio, tty, enter.root_fd, host_id(state, user.uid), host_id(state, user.gid),
                       request->size_given ? &request->size : NULL) < 0)
                return EXIT_BERTH;

        spawn.argv = request->command ? request->command : login;
        spawn.file = request->command ? NULL : user.shell;
        spawn.env = enter.state.env;
        spawn.directory = request->directory ? request->directory
                          : request->command ? state->working_directory
                                             : user.home;
        spawn.directory_optional = !request->command && !request->directory;
        return start_and_attend(request, &enter, &user, &stdio, &spawn);
}

static int verb(char *argv[], bool shell) {
        _cleanup_(request_done) Request request = {};
        int r;

        /* Unreadable from the start, as /proc/PID of this process is about to be looked at by others. */
        if (stdio_fill() < 0 || confine_descriptors(3) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return EXIT_BERTH;
        r = parse_request(argv, shell, &request);
        if (r != 0)
                return r < 0 ? EXIT_BERTH : 0;
        return run_request(&request, argv);
}

int verb_exec(int argc _unused_, char *argv[]) {
        return verb(argv, /* shell= */ false);
}

int verb_shell(int argc _unused_, char *argv[]) {
        return verb(argv, /* shell= */ true);
}
