/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/command.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/parse.h"
#include "common/strv.h"
#include "common/utf8.h"
#include "generator/pass.h"
#include "generator/proxies.h"
#include "generator/rules.h"
#include "generator/unit.h"
#include "generator/words.h"

#define MESSAGES_MAX 50 /* on one refuse line; "berth check" has them all */

typedef struct Command {
        Manifest *m;
        Text *line;
        bool too_long; /* told already */
} Command;

/* The bytes that systemd hands to execve(2): "%%" is one. */
static size_t expanded_length(const char *s) {
        size_t n = 0;

        for (; *s; s++, n++)
                if (s[0] == '%' && s[1] == '%')
                        s++;
        return n;
}

/* Adds a word: prefix and value. at is the line of the manifest it comes from. */
static int add_word(Command *c, const char *prefix, const char *value, unsigned at) {
        if (strlen(prefix) + expanded_length(value) > ARGUMENT_MAX) {
                diag_error(&c->m->diags, at, 1,
                           "a word is longer than %d bytes, more than the kernel passes to a program; shorten it or "
                           "use EnvironmentFile=",
                           ARGUMENT_MAX);
                return 0;
        }
        text_add(c->line, " ");
        unit_option(c->line, prefix, value);
        /* The rest of the line, "ExecStart=:" and the path, is far below 4096 bytes. */
        if (c->line->size > UNIT_LINE_MAX - 4096 && !c->too_long) {
                diag_error(&c->m->diags, at, 1,
                           "with this the command is longer than 1 MiB, more than systemd reads; "
                           "use EnvironmentFile=");
                c->too_long = true;
        }
        return c->line->failed ? -ENOMEM : 0;
}

/* How a key's values become options. */
typedef enum RowKind {
        ROW_VALUE,  /* OPTION=VALUE for each value */
        ROW_WORDS,  /* OPTION=WORD for each word of each value */
        ROW_MOUNTS, /* the mounts, whatever their keys */
        ROW_CONTROLLERS,
        ROW_SOCKETS,
        ROW_PUBLISH,
        ROW_POLICY,
        ROW_SETUP,
} RowKind;

/* The order is that of the command line. */
/* clang-format off */
static const struct Row {
        const char *section, *key, *option;
        RowKind kind;
} rows[] = {
        { "Container", "Image",               "--image=",                ROW_VALUE },
        { "Container", "Profile",             "--profile=",              ROW_VALUE },
        { "Container", "ReadPath",            "--read-path=",            ROW_WORDS },
        { "Container", "WritePath",           "--write-path=",           ROW_WORDS },
        { "Container", "Entrypoint",          "--entrypoint=",           ROW_WORDS },
        { "Container", "User",                "--user=",                 ROW_VALUE },
        { "Container", "Group",               "--group=",                ROW_VALUE },
        { "Container", "SupplementaryGroups", "--supplementary-group=",  ROW_WORDS },
        { "Container", "WorkingDirectory",    "--working-directory=",    ROW_VALUE },
        { "Container", "UMask",               "--umask=",                ROW_VALUE },
        { "Container", "Environment",         "--env=",                  ROW_WORDS },
        { "Container", "EnvironmentFile",     "--env-file=",             ROW_VALUE },
        { "Container", "Secret",              "--secret=",               ROW_WORDS },
        { "Container", "Hostname",            "--hostname=",             ROW_VALUE },
        { "Container", "Timezone",            "--timezone=",             ROW_VALUE },
        { "Container", "Init",                "--init=",                 ROW_VALUE },
        { "Container", "Notify",              "--notify=",               ROW_VALUE },
        { "Container", "KillSignal",          "--kill-signal=",          ROW_VALUE },
        { "Container", "ReadOnly",            "--read-only=",            ROW_VALUE },
        { "Container", "Ephemeral",           "--ephemeral=",            ROW_VALUE },
        { "Container", "PrivateUsers",        "--private-users=",        ROW_VALUE },
        { "Container", "PidNamespace",        "--pid-namespace=",        ROW_VALUE },
        { "Container", "IpcNamespace",        "--ipc-namespace=",        ROW_VALUE },
        { "Container", "Capability",          "--capability=",           ROW_WORDS },
        { "Container", "DropCapability",      "--drop-capability=",      ROW_WORDS },
        { "Container", "AmbientCapability",   "--ambient-capability=",   ROW_WORDS },
        { "Container", "NoNewPrivileges",     "--no-new-privileges=",    ROW_VALUE },
        { "Container", "SystemCallFilter",    "--system-call-filter=",   ROW_VALUE },
        { "Container", "SeccompProfile",      "--seccomp-profile=",      ROW_VALUE },
        { "Container", "AppArmorProfile",     "--apparmor-profile=",     ROW_VALUE },
        { "Container", "Device",              "--device=",               ROW_VALUE },
        { "Container", "Sysctl",              "--sysctl=",               ROW_VALUE },
        { "Container", "ShmSize",             "--shm-size=",             ROW_VALUE },
        { "Container", "SharedRun",           "--shared-run=",           ROW_VALUE },
        { NULL,        NULL,                  "--mount=",                ROW_MOUNTS },
        { "Container", "ReadOnlyPaths",       "--read-only-path=",       ROW_WORDS },
        { "Container", "InaccessiblePaths",   "--inaccessible-path=",    ROW_WORDS },
        { "Container", "ResolvConf",          "--resolv-conf=",          ROW_VALUE },
        { "Container", "AddHost",             "--add-host=",             ROW_WORDS },
        { "Container", "Label",               "--label=",                ROW_VALUE },
        { "Network",   "Mode",                "--network=",              ROW_VALUE },
        { "Network",   "Publish",             "--publish=",              ROW_PUBLISH },
        { NULL,        NULL,                  NULL,                      ROW_POLICY },
        { "Network",   "AllowDomain",         "--allow-domain=",         ROW_WORDS },
        { "Network",   "AllowCIDR",           "--allow-cidr=",           ROW_WORDS },
        { "Network",   "DenyCIDR",            "--deny-cidr=",            ROW_WORDS },
        { "Network",   "Allow",               "--allow=",                ROW_WORDS },
        { "Network",   "Protocol",            "--protocol=",             ROW_WORDS },
        { "Network",   "DNS",                 "--dns=",                  ROW_WORDS },
        { "Network",   "Link",                "--link=",                 ROW_WORDS },
        { "Network",   "AllowHost",           "--allow-host=",           ROW_WORDS },
        { "Network",   "Bandwidth",           "--bandwidth=",            ROW_VALUE },
        { "Network",   "BandwidthUp",         "--bandwidth-up=",         ROW_VALUE },
        { "Network",   "Address",             "--address=",              ROW_WORDS },
        { "Network",   "IPv6",                "--ipv6=",                 ROW_VALUE },
        { NULL,        NULL,                  "--require-controller=",   ROW_CONTROLLERS },
        { NULL,        NULL,                  "--sockets=",              ROW_SOCKETS },
        { "Limits",    "Disk",                "--disk=",                 ROW_VALUE },
        { "Hooks",     "NetworkUp",           "--hook-network-up=",      ROW_WORDS },
        { "Hooks",     "NetworkDown",         "--hook-network-down=",    ROW_WORDS },
        { "Hooks",     "PolicyChanged",       "--hook-policy-changed=",  ROW_WORDS },
        { "Setup",     "Exec",                NULL,                      ROW_SETUP },
        { "Setup",     "Network",             "--setup-network=",        ROW_VALUE },
};
/* clang-format on */

/* Adds OPTION=VALUE for each value of a key. */
static int add_values(Command *c, const struct Row *row) {
        StoreValue v;

        for (unsigned i = 0; store_get(c->m->store, row->section, row->key, i, &v); i++) {
                int r = add_word(c, row->option, v.text, v.line);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Adds OPTION=WORD for each word of one value; the first one's option may be another. */
static int add_split(Command *c, const StoreValue *v, const char *first, const char *option, size_t *count) {
        _cleanup_strv_ char **words = NULL;
        WordsError error;
        int r;

        r = words_split(v->text, &words, &error);
        if (r < 0)
                return r; /* types.c let it in: only memory is left */
        for (size_t i = 0; words && words[i]; i++, ++*count) {
                r = add_word(c, i == 0 ? first : option, words[i], v->line);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_words(Command *c, const struct Row *row) {
        size_t count = 0;
        StoreValue v;
        int r;

        for (unsigned i = 0; store_get(c->m->store, row->section, row->key, i, &v); i++) {
                r = add_split(c, &v, row->option, row->option, &count);
                if (r < 0)
                        return r;
        }
        if (count == 0 && streq(row->option, "--entrypoint=") &&
            store_get(c->m->store, row->section, row->key, 0, &v))
                return add_word(c, row->option, "", v.line); /* set empty: there is none */
        return 0;
}

/* What goes through a proxy is none of the launch's. The words are canonical, one blank between. */
static int add_publish(Command *c, const struct Row *row) {
        StoreValue v;

        for (unsigned i = 0; store_get(c->m->store, row->section, row->key, i, &v); i++) {
                _cleanup_free_ char *copy = strdup(v.text);
                char *rest = copy, *word;
                int r = copy ? 0 : -ENOMEM;

                while (r >= 0 && (word = strsep(&rest, " ")))
                        r = proxies_has(word) ? 0 : add_word(c, row->option, word, v.line);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A command each: its first word has an option of its own. */
static int add_setup(Command *c) {
        size_t count = 0;
        StoreValue v;

        for (unsigned i = 0; store_get(c->m->store, "Setup", "Exec", i, &v); i++) {
                int r = add_split(c, &v, "--setup=", "--setup-word=", &count);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The policy as it is meant: lists alone make it custom, and a custom one has a default. */
static int add_policy(Command *c) {
        const char *policy = rules_policy(c->m->store);
        StoreValue v = { .line = 0 };
        int r;

        if (!policy)
                return 0;
        (void) store_get(c->m->store, "Network", "Policy", 0, &v);
        r = add_word(c, "--policy=", policy, v.line);
        if (r < 0 || !streq(policy, "custom"))
                return r;
        return add_word(c, "--policy-default=", rules_default(c->m->store), v.line);
}

static int add_mounts(Command *c) {
        for (size_t i = 0; i < c->m->mounts.n; i++) {
                _cleanup_free_ char *text = NULL;
                int r = mount_format(&c->m->mounts.list[i], &text);

                if (r >= 0)
                        r = add_word(c, "--mount=", text, c->m->mounts.list[i].line);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_controllers(Command *c) {
        static const struct {
                const char *controller, *keys[3];
        } needs[] = {
                { "cpu", { "CPUs" } },
                { "memory", { "Memory", "MemoryHigh", "Swap" } },
                { "pids", { "Tasks" } },
                { "io", { "IOWeight", "IORead", "IOWrite" } },
        };
        StoreValue v;

        for (size_t i = 0; i < ARRAY_LEN(needs); i++)
                for (size_t j = 0; j < ARRAY_LEN(needs[i].keys) && needs[i].keys[j]; j++)
                        if (store_get(c->m->store, "Limits", needs[i].keys[j], 0, &v)) {
                                int r = add_word(c, "--require-controller=", needs[i].controller, v.line);

                                if (r < 0)
                                        return r;
                                break;
                        }
        return 0;
}

static int add_exec(Command *c) {
        StoreValue v;

        if (!store_get(c->m->store, "Container", "Exec", 0, &v))
                return 0;
        text_add(c->line, " --");
        return add_words(c, &(const struct Row){ "Container", "Exec", "", ROW_WORDS });
}

/* The one that all have: "--name=NAME", of a template with its instance. */
static void add_name(const Manifest *m, Text *line) {
        pass_name(line, m, " \"--name=", "\"");
}

static int add_row(Command *c, const struct Row *row) {
        switch (row->kind) {
        case ROW_VALUE:
                return add_values(c, row);
        case ROW_WORDS:
                return add_words(c, row);
        case ROW_MOUNTS:
                return add_mounts(c);
        case ROW_PUBLISH:
                return add_publish(c, row);
        case ROW_SOCKETS:
                return manifest_sockets(c->m) ? add_word(c, row->option, "yes",
                                                         store_place(c->m->store, "Socket", "*"))
                                              : 0;
        case ROW_CONTROLLERS:
                return add_controllers(c);
        case ROW_POLICY:
                return add_policy(c);
        case ROW_SETUP:
                return add_setup(c);
        }
        return -EINVAL;
}

int command_launch(Manifest *m, Text *line) {
        Command c = { .m = m, .line = line };
        int r;

        add_name(m, line);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                r = add_row(&c, &rows[i]);
                if (r < 0)
                        return r;
        }
        return add_exec(&c);
}

int command_cleanup(Manifest *m, Text *line) {
        Command c = { .m = m, .line = line };

        add_name(m, line);
        return add_words(&c, &(const struct Row){ "Hooks", "Error", "--hook-error=", ROW_WORDS });
}

int command_reload(Manifest *m, Text *line) {
        Command c = { .m = m, .line = line };
        StoreValue v;
        size_t count = 0;

        if (store_get(m->store, "Container", "ReloadSignal", 0, &v)) {
                text_add(line, " reload");
                add_name(m, line);
                return add_word(&c, "--signal=", v.text, v.line);
        }
        if (!store_get(m->store, "Container", "ReloadExec", 0, &v))
                return 0;
        text_addf(line, " exec \"%s%s\" --", m->name, endswith(m->name, "@") ? "%i" : "");
        return add_split(&c, &v, "", "", &count);
}

int command_unheard(Manifest *m, Text *line) {
        const char *init = store_text(m->store, "Container", "Init"),
                   *pids = store_text(m->store, "Container", "PidNamespace"),
                   *ours = store_text(m->store, "Container", "KillSignal"),
                   *systemds = store_text(m->store, "Service", "KillSignal");
        bool yes = true;

        if (!init || parse_bool(init, &yes) < 0 || yes || (pids && streq(pids, "host")) ||
            manifest_oneshot(m))
                return 0;
        add_name(m, line);
        return add_word(&(Command){ .m = m, .line = line }, "--signal=",
                        ours       ? ours
                        : systemds ? systemds
                                   : "SIGTERM",
                        0);
}

void command_message(const Manifest *m, const Diag *diag, char ret[static COMMAND_MESSAGE_SIZE]) {
        const char *path = diags_path(&m->diags, diag->line);
        unsigned line = place_line(diag->line);
        int n;

        if (line > 0)
                n = snprintf(ret, COMMAND_MESSAGE_SIZE, "%s:%u: %s", path, line, diag->message);
        else
                n = snprintf(ret, COMMAND_MESSAGE_SIZE, "%s: %s", path, diag->message);
        if (n >= COMMAND_MESSAGE_SIZE)
                memcpy(ret + utf8_valid_prefix(ret, COMMAND_MESSAGE_SIZE - 4), "...", 4);
}

int command_refuse(const Manifest *m, Text *line) {
        char message[COMMAND_MESSAGE_SIZE];
        size_t told = 0;

        add_name(m, line);
        text_add(line, " --");
        for (size_t i = 0; i < m->diags.n && told < MESSAGES_MAX; i++) {
                if (m->diags.list[i].level != DIAG_ERROR)
                        continue;
                command_message(m, &m->diags.list[i], message);
                text_add(line, " ");
                unit_word(line, message, UNIT_LITERAL);
                told++;
        }
        if (m->diags.errors > told) {
                snprintf(message, sizeof(message), "%s: and %zu more; run: berth check %s", m->path,
                         m->diags.errors - told, m->name);
                text_add(line, " ");
                unit_word(line, message, UNIT_LITERAL);
        }
        return line->failed ? -ENOMEM : 0;
}
