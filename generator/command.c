/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/command.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/strv.h"
#include "generator/unit.h"
#include "generator/utf8.h"
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

/* Adds OPTION=VALUE for each value of a key. */
static int add_values(Command *c, const char *section, const char *key, const char *option) {
        StoreValue v;

        for (unsigned i = 0; store_get(c->m->store, section, key, i, &v); i++) {
                int r = add_word(c, option, v.text, v.line);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Adds OPTION=WORD for each word of a key's values. */
static int add_words(Command *c, const char *key, const char *option, size_t *ret_count) {
        size_t count = 0;
        StoreValue v;
        int r;

        for (unsigned i = 0; store_get(c->m->store, "Container", key, i, &v); i++) {
                _cleanup_strv_ char **words = NULL;
                WordsError error;

                r = words_split(v.text, &words, &error);
                if (r < 0)
                        return r; /* types.c let it in: only memory is left */
                for (size_t j = 0; words && words[j]; j++, count++) {
                        r = add_word(c, option, words[j], v.line);
                        if (r < 0)
                                return r;
                }
        }
        if (ret_count)
                *ret_count = count;
        return 0;
}

static int add_entrypoint(Command *c) {
        size_t n;
        StoreValue v;
        int r;

        r = add_words(c, "Entrypoint", "--entrypoint=", &n);
        if (r < 0 || n > 0 || !store_get(c->m->store, "Container", "Entrypoint", 0, &v))
                return r;
        return add_word(c, "--entrypoint=", "", v.line); /* set empty: there is none */
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
                const char *controller, *keys[2];
        } rows[] = { { "cpu", { "CPUs" } }, { "memory", { "Memory", "Swap" } }, { "pids", { "Tasks" } } };
        StoreValue v;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                for (size_t j = 0; j < ARRAY_LEN(rows[i].keys) && rows[i].keys[j]; j++)
                        if (store_get(c->m->store, "Limits", rows[i].keys[j], 0, &v)) {
                                int r = add_word(c, "--require-controller=", rows[i].controller, v.line);

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
        return add_words(c, "Exec", "", NULL);
}

void command_name(const Manifest *m, Text *line) {
        char word[128];

        snprintf(word, sizeof(word), "--name=%s%s", m->name, endswith(m->name, "@") ? "%i" : "");
        text_add(line, " ");
        unit_word(line, word, UNIT_SPECIFIERS);
}

int command_launch(Manifest *m, Text *line) {
        Command c = { .m = m, .line = line };
        int r;

        command_name(m, line);
        r = add_values(&c, "Container", "Image", "--image=");
        if (r >= 0)
                r = add_entrypoint(&c);
        if (r >= 0)
                r = add_values(&c, "Container", "User", "--user=");
        if (r >= 0)
                r = add_values(&c, "Container", "Group", "--group=");
        if (r >= 0)
                r = add_values(&c, "Container", "WorkingDirectory", "--working-directory=");
        if (r >= 0)
                r = add_words(&c, "Environment", "--env=", NULL);
        if (r >= 0)
                r = add_values(&c, "Container", "EnvironmentFile", "--env-file=");
        if (r >= 0)
                r = add_values(&c, "Container", "Hostname", "--hostname=");
        if (r >= 0)
                r = add_values(&c, "Container", "Init", "--init=");
        if (r >= 0)
                r = add_values(&c, "Container", "ReadOnly", "--read-only=");
        if (r >= 0)
                r = add_values(&c, "Container", "Ephemeral", "--ephemeral=");
        if (r >= 0)
                r = add_values(&c, "Container", "PrivateUsers", "--private-users=");
        if (r >= 0)
                r = add_mounts(&c);
        if (r >= 0)
                r = add_values(&c, "Network", "Mode", "--network=");
        if (r >= 0)
                r = add_controllers(&c);
        if (r >= 0 && manifest_sockets(m))
                r = add_word(&c, "--sockets=", "yes", store_place(m->store, "Socket", "*"));
        return r < 0 ? r : add_exec(&c);
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

        command_name(m, line);
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
