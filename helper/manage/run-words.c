/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/run.h"

#include <stdio.h>
#include <sys/random.h>

#include "common/log.h"
#include "common/strv.h"
#include "common/utf8.h"
#include "helper/container/environment.h"
#include "helper/verbs/verbs.h"

/* The words of berth run, and the lines of a manifest that they are. */

void run_done(Run *run) {
        strv_free(run->settings);
        strv_free(run->exec);
        *run = (Run){};
}

/* A value as a manifest takes it: whole, but for what would be a line's end or a specifier. */
static int check_value(const char *option, const char *value) {
        size_t n = strlen(value);

        if (strchr(value, '\n') || utf8_valid_prefix(value, n) != n || (n > 0 && value[n - 1] == '\\'))
                return log_error_errno(
                                EINVAL,
                                "--%s: expected UTF-8 without a line break, and no backslash at its end",
                                option);
        return 0;
}

/* Appends "[SECTION]" and "KEY=VALUE". Percent signs are no specifiers where they were not written as such. */
static int add_setting(Run *run, const char *section, const char *key, const char *value) {
        _cleanup_free_ char *literal = malloc(2 * strlen(value) + 1);
        char *p = literal;

        if (!literal)
                return log_oom();
        for (; *value; value++) {
                if (*value == '%')
                        *p++ = '%';
                *p++ = *value;
        }
        *p = '\0';
        if (strv_appendf(&run->settings, "[%s]", section) < 0 ||
            strv_appendf(&run->settings, "%s=%s", key, literal) < 0)
                return log_oom();
        return 0;
}

/* Where the options go that are keys of a manifest by other names. */
static const struct {
        const char *section, *key;
} keys[_RUN_MAX] = {
        [RUN_IMAGE] = { "Container", "Image" },        [RUN_PROFILE] = { "Container", "Profile" },
        [RUN_MEMORY] = { "Limits", "Memory" },         [RUN_CPUS] = { "Limits", "CPUs" },
        [RUN_TASKS] = { "Limits", "Tasks" },           [RUN_NETWORK] = { "Network", "Mode" },
        [RUN_PUBLISH] = { "Network", "Publish" },      [RUN_VOLUME] = { "Container", "Volume" },
        [RUN_READ_ONLY] = { "Container", "ReadOnly" }, [RUN_CAPABILITY] = { "Container", "Capability" },
};

/* --set=[SECTION.]KEY=VALUE, in a manifest's own words. */
static int add_any(Run *run, const char *value) {
        size_t key = strcspn(value, "="), dot = strcspn(value, ".");
        int r;

        if (key == 0 || value[key] != '=' || dot + 1 == key || dot == 0)
                return log_error_errno(EINVAL,
                                       "--set=%s: expected [SECTION.]KEY=VALUE, like Network.Mode=none",
                                       value);
        r = check_value("set", value);
        if (r < 0)
                return r;
        if (dot < key)
                r = strv_appendf(&run->settings, "[%.*s]", (int) dot, value);
        else
                r = strv_append(&run->settings, "[Container]");
        if (r >= 0)
                r = strv_append(&run->settings, dot < key ? value + dot + 1 : value);
        return r < 0 ? log_oom() : 0;
}

/* --bind=PATH:TARGET[:ro]: a section of its own. */
static int add_bind(Run *run, const char *value) {
        _cleanup_free_ char *copy = strdup(value), *here = NULL, *source = NULL;
        char *target, *mode, section[64];
        size_t n = strv_length(run->settings);
        int r;

        if (!copy)
                return log_oom();
        target = strchr(copy, ':');
        mode = target ? strchr(target + 1, ':') : NULL;
        if (!target || target == copy || (mode && !streq(mode, ":ro") && !streq(mode, ":rw")))
                return log_error_errno(EINVAL, "--bind=%s: expected PATH:TARGET, or PATH:TARGET:ro", value);
        *target++ = '\0';
        if (mode)
                *mode++ = '\0';
        if (copy[0] != '/' && !(here = getcwd(NULL, 0)))
                return log_error_errno(errno, "cannot tell the working directory: %m");
        if (asprintf(&source, "%s%s%s", here ? here : "", here ? "/" : "", copy) < 0)
                return log_oom();
        snprintf(section, sizeof(section), "Mount run-%zu", n); /* by where it stands, so each has its own */
        r = add_setting(run, section, "Type", "bind");
        if (r >= 0)
                r = add_setting(run, section, "Source", source);
        if (r >= 0)
                r = add_setting(run, section, "Target", target);
        if (r >= 0 && mode && streq(mode, "ro"))
                r = add_setting(run, section, "ReadOnly", "yes");
        return r;
}

static int add_exec(Run *run, RunOption option, const char *value) {
        const char *name = run_options[option].name;
        int r = value ? strv_appendf(&run->exec, "--%s=%s", name, value)
                      : strv_appendf(&run->exec, "--%s", name);

        return r < 0 ? log_oom() : 0;
}

static int take_option(Run *run, int option, const char *value) {
        int r = value ? check_value(run_options[option].name, value) : 0;

        if (r < 0 && option < (int) RUN_DETACH)
                return r;
        switch ((RunOption) option) {
        case RUN_NAME:
                if (!name_valid(value, false) || strchr(value, '@'))
                        return log_error_errno(EINVAL, "--name=%s: expected letters, digits and dashes",
                                               value);
                snprintf(run->name, sizeof(run->name), "%s", value);
                return 0;
        case RUN_IMAGE:
        case RUN_PROFILE:
                run->image = true;
                /* fall through */
        case RUN_MEMORY:
        case RUN_CPUS:
        case RUN_TASKS:
        case RUN_NETWORK:
        case RUN_PUBLISH:
        case RUN_VOLUME:
        case RUN_CAPABILITY:
                return add_setting(run, keys[option].section, keys[option].key, value);
        case RUN_READ_ONLY:
                return add_setting(run, keys[option].section, keys[option].key, "yes");
        case RUN_BIND:
                return add_bind(run, value);
        case RUN_SET:
                return add_any(run, value);
        case RUN_DETACH:
                run->detach = true;
                return 0;
        case RUN_REPLACE:
                run->replace = true;
                return 0;
        case RUN_JSON:
                run->json = true;
                return add_exec(run, RUN_JSON, value);
        case RUN_USER:
        case RUN_WORKDIR:
        case RUN_ENV:
        case RUN_ENV_FILE:
        case RUN_TIMEOUT:
        case RUN_TTY:
        case RUN_NO_TTY:
        case RUN_TTY_SIZE:
        case RUN_INPUT:
        case RUN_MAX_OUTPUT:
                return add_exec(run, (RunOption) option, value);
        case _RUN_MAX:
        default:
                return -EINVAL;
        }
}

/* "run-00c0ffee" */
static int make_name(Run *run) {
        uint32_t number;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return log_error_errno(errno, "cannot get random bytes: %m");
        snprintf(run->name, sizeof(run->name), "run-%08x", number);
        return 0;
}

/* One word of Exec= or Environment=: quoted, so that it arrives as it is. */
static int append_word(FILE *f, const char *word) {
        fputs(" \"", f);
        for (; *word; word++) {
                unsigned char c = (unsigned char) *word;

                if (c == '"' || c == '\\')
                        fprintf(f, "\\%c", c);
                else if (c == '%')
                        fputs("%%", f);
                else if (c < ' ' || c == 0x7f)
                        fprintf(f, "\\x%02x", c);
                else
                        fputc(c, f);
        }
        return fputc('"', f) == EOF ? -ENOMEM : 0;
}

/* [Container] KEY= WORD...; the settings' own. */
static int add_words(Run *run, const char *key, char *const *words, size_t n) {
        _cleanup_free_ char *line = NULL;
        size_t size;
        FILE *f = open_memstream(&line, &size);

        if (!f)
                return log_oom();
        fprintf(f, "%s=", key);
        for (size_t i = 0; i < n && words[i]; i++)
                append_word(f, words[i]);
        if (fclose(f) != 0)
                return log_oom();
        if (strv_append(&run->settings, "[Container]") < 0 || strv_append(&run->settings, line) < 0)
                return log_oom();
        return 0;
}

/* With --detach nobody executes: what exec would be told stands in the manifest. */
static int detach_options(Run *run) {
        static const struct {
                const char *option, *section, *key;
        } rows[] = {
                { "--user=", "Container", "User" },
                { "--workdir=", "Container", "WorkingDirectory" },
                { "--env-file=", "Container", "EnvironmentFile" },
                { "--timeout=", "Limits", "Runtime" },
        };

        for (char **option = run->exec; option && *option; option++) {
                const char *value = startswith(*option, "--env=");
                size_t i;
                int r;

                if (value) {
                        char *own = getenv(value), *word = NULL;

                        if (!environment_name_valid(value))
                                return log_error_errno(EINVAL, "--env=%s: expected NAME=VALUE, or NAME",
                                                       value);
                        if (!strchr(value, '=') && !own)
                                continue;
                        if (asprintf(&word, "%s%s%s", value, own && !strchr(value, '=') ? "=" : "",
                                     own && !strchr(value, '=') ? own : "") < 0)
                                return log_oom();
                        r = add_words(run, "Environment", &word, 1);
                        free(word);
                        if (r < 0)
                                return r;
                        continue;
                }
                for (i = 0; i < ARRAY_LEN(rows) && !(value = startswith(*option, rows[i].option)); i++)
                        ;
                if (!value)
                        return log_error_errno(EINVAL, "%.*s: cannot go with --detach",
                                               (int) strcspn(*option, "="), *option);
                r = check_value(rows[i].key, value);
                if (r >= 0)
                        r = add_setting(run, rows[i].section, rows[i].key, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Who runs what: in the foreground the leader idles and exec runs the command; detached the leader is the command, where
 * there is one; a manifest may have its own. */
static int add_command(Run *run) {
        int r;

        if (!run->detach && !run->command)
                return log_error_errno(EINVAL,
                                       "expected a command: berth run %s -- COMMAND; "
                                       "--detach runs the manifest's own, or idles",
                                       run->manifest ? run->manifest : "--image=IMAGE");
        if (run->detach && !run->command && run->manifest)
                return detach_options(run);
        r = add_words(run, "Exec", run->detach ? run->command : NULL,
                      run->detach && run->command ? SIZE_MAX : 0);
        if (r >= 0 && strv_append(&run->settings, "Entrypoint=") < 0)
                r = log_oom();
        if (r >= 0 && run->detach)
                r = detach_options(run);
        return r;
}

static int check(Run *run) {
        if (run->manifest && run->image)
                return log_error_errno(EINVAL,
                                       "a manifest names its image; --image and --profile go without one");
        if (run->manifest && !strchr(run->manifest, '/') && !endswith(run->manifest, ".berth"))
                return log_error_errno(
                                EINVAL,
                                "'%s': expected the path of a manifest, like ./%s.berth, or --image=IMAGE",
                                run->manifest, run->manifest);
        if (!run->manifest && !run->image)
                return log_error_errno(EINVAL, "expected a manifest, or --image=IMAGE or --profile=PROFILE");
        if (run->replace && run->name[0] == '\0')
                return log_error_errno(EINVAL, "--replace: expected --name=NAME, for the one to replace");
        run->nameless = run->name[0] == '\0';
        return run->nameless ? make_name(run) : 0;
}

int run_parse(char *argv[], Run *run) {
        OptionParser parser = { .options = run_options, .argv = argv, .command = true, .operands = 1 };
        const char *value;
        int r;

        run->json = options_mention(argv, "json");
        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r < 0)
                        return r;
                if (r == OPTIONS_HELP)
                        return verb_help("run"), 1;
                if (r == OPTIONS_OPERAND && (run->image || parser.separator)) {
                        run->command = argv + parser.index;
                        break;
                }
                if (r == OPTIONS_OPERAND)
                        run->manifest = value;
                else if ((r = take_option(run, r, value)) < 0)
                        return r;
        }
        if (!run->command && parser.rest && parser.rest[0])
                run->command = parser.rest;
        r = check(run);
        return r < 0 ? r : add_command(run);
}
