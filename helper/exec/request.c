/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/request.h"

#include "common/capability.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/environment.h"
#include "helper/exec/session.h"
#include "helper/text/hold.h"
#include "helper/verbs/verbs.h"

#define MAX_OUTPUT_DEFAULT (256 * 1024)
#define MAX_OUTPUT_MAX     (64 * 1024 * 1024)
#define MAX_OUTPUT_USER    (4 * 1024 * 1024) /* of the gate's: it is kept in root's memory */

void request_done(Request *request) {
        request->env = strv_free(request->env);
        request->env_files = strv_free(request->env_files);
        request->properties = strv_free(request->properties);
}

static int add_env(Request *request, const char *value) {
        const char *own;
        int r;

        if (!environment_name_valid(value))
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

static int add_capability(Request *request, const char *value) {
        unsigned number;

        if (capability_parse(value, &number) < 0) {
                const char *suggestion = capability_suggest(value);

                if (suggestion)
                        return log_error_errno(EINVAL,
                                               "--cap-add=%s: no such capability (did you mean '%s'?)",
                                               value, suggestion);
                return log_error_errno(EINVAL, "--cap-add=%s: no such capability, see capabilities(7)",
                                       value);
        }
        request->capabilities |= UINT64_C(1) << number;
        return 0;
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
        case EXEC_CAP_ADD:
                return add_capability(request, value);
        case EXEC_INPUT:
                if (*value == '\0')
                        return log_error_errno(EINVAL, "--input: expected the path of a file, or -");
                request->input = value;
                break;
        case EXEC_JSON:
                if (value && !streq(value, "stream"))
                        return log_error_errno(EINVAL, "--json=%s: expected --json or --json=stream", value);
                request->json = value ? JSON_STREAM : JSON_OBJECT;
                break;
        case EXEC_MAX_OUTPUT:
                r = parse_size(value, &request->max_output);
                if (r < 0 || request->max_output > (hold_for_user() ? MAX_OUTPUT_USER : MAX_OUTPUT_MAX))
                        return log_error_errno(EINVAL,
                                               "--max-output=%s: expected a size, like 256K, up to %s",
                                               value, hold_for_user() ? "4M; root has up to 64M" : "64M");
                request->max_output_given = true;
                break;
        case EXEC_SESSION:
                if (!session_id_valid(value))
                        return log_error_errno(EINVAL, "--session=%s: expected letters, digits, '-' and '_'",
                                               value);
                request->session = value;
                break;
        case EXEC_SCOPE:
                request->scope = true;
                break;
        case EXEC_PROPERTY:
                if (*value == '=' || !strchr(value, '='))
                        return log_error_errno(EINVAL, "-p %s: expected PROPERTY=VALUE, like MemoryMax=512M",
                                               value);
                return strv_append(&request->properties, value) < 0 ? log_oom() : 0;
        case EXEC_DETACH:
                request->detach = true;
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

/* What no single option can tell. */
static int check(const Request *request, bool shell) {
        if (!request->name)
                return log_error_errno(EINVAL, "expected the name of a container, see berth %s --help",
                                       shell ? "shell" : "exec");
        if (!shell && !request->command)
                return log_error_errno(EINVAL, "expected a command: berth exec %s COMMAND", request->name);
        if (request->json != JSON_NO && request->tty == TTY_YES)
                return log_error_errno(EINVAL,
                                       "--tty: a terminal mixes the streams that --json keeps apart");
        if (request->detach && (request->json != JSON_NO || request->tty == TTY_YES))
                return log_error_errno(EINVAL,
                                       "--detach: takes neither --json nor --tty, see berth job logs");
        if (request->detach && request->session)
                return log_error_errno(EINVAL, "--detach: a session is for calls one after the other; "
                                               "leave out --session");
        if (request->detach && request->input && streq(request->input, "-"))
                return log_error_errno(EINVAL, "--detach: a job has no standard input of the caller's; "
                                               "--input=FILE gives it a file");
        if (request->properties && !request->scope)
                return log_error_errno(EINVAL, "-p %s: only a scope has properties, see --scope",
                                       request->properties[0]);
        if (request->json == JSON_NO && request->max_output_given)
                return log_error_errno(EINVAL,
                                       "--max-output: only --json keeps output, without it all passes");
        return 0;
}

int request_parse(char *argv[], bool shell, Request *request) {
        OptionParser parser = { .options = shell ? shell_options : exec_options,
                                .argv = argv,
                                .command = !shell,
                                .operands = 1 };
        const char *value;
        int r;

        *request = (Request){ .max_output = MAX_OUTPUT_DEFAULT };
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
        request->command = !shell && parser.rest[0] ? parser.rest : NULL;
        return check(request, shell);
}

int request_environment(const Request *request, char ***ret) {
        _cleanup_strv_ char **env = NULL;

        for (size_t i = 0; request->env_files && request->env_files[i]; i++) {
                int r = environment_load(request->env_files[i], &env);

                if (r < 0)
                        return r;
        }
        for (size_t i = 0; request->env && request->env[i]; i++)
                if (strv_env_set(&env, request->env[i]) < 0)
                        return log_oom();
        *ret = TAKE_PTR(env);
        return 0;
}

bool request_wants_tty(const Request *request) {
        if (!request->command) /* a shell */
                return true;
        if (request->tty == TTY_AUTO && (request->json != JSON_NO || request->input))
                return false;
        return stdio_wants_tty(request->tty);
}
