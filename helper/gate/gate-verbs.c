/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/gate/gate-verbs.h"

#include <stdio.h>

#include "helper/verbs/verbs.h"

#define BIT(option) (UINT64_C(1) << (option))
#define ALL         UINT64_MAX
#define SHELL_BITS                                                                                      \
        (BIT(EXEC_USER) | BIT(EXEC_WORKDIR) | BIT(EXEC_ENV) | BIT(EXEC_ENV_FILE) | BIT(EXEC_TTY_SIZE) | \
         BIT(EXEC_TIMEOUT))
#define EXEC_BITS                                                                           \
        (SHELL_BITS | BIT(EXEC_TTY) | BIT(EXEC_NO_TTY) | BIT(EXEC_INPUT) | BIT(EXEC_JSON) | \
         BIT(EXEC_MAX_OUTPUT) | BIT(EXEC_SESSION))
#define EXEC_WORDS \
        .files = BIT(EXEC_ENV_FILE) | BIT(EXEC_INPUT), .env = BIT(EXEC_ENV), .user = BIT(EXEC_USER)

#define FILE_BITS                                                                                        \
        (BIT(FILE_LINES) | BIT(FILE_MODE) | BIT(FILE_USER) | BIT(FILE_OLD) | BIT(FILE_NEW) |             \
         BIT(FILE_AFTER) | BIT(FILE_IGNORE_CASE) | BIT(FILE_GLOB) | BIT(FILE_MAX) | BIT(FILE_MAX_SIZE) | \
         BIT(FILE_FORCE) | BIT(FILE_JSON))
#define FILE_ROW(verb, words) \
        { "file", verb, .operands = words, .options = FILE_BITS, .user = BIT(FILE_USER) }

/* clang-format off */
const GateVerb gate_verbs[] = {
        /* --cap-add= is more than the leader has, and no rule that names container and user would know of it. */
        { "exec", .operands = "c", .command = true, .options = EXEC_BITS, EXEC_WORDS },
        /* A unit does not have the caller's descriptors. What else does not go together is for exec to say. */
        { "exec", .action = "job.start", .help = "Start a command in a container that goes on when the caller has gone",
          .operands = "c", .command = true, .options = (EXEC_BITS & ~BIT(EXEC_INPUT)) | BIT(EXEC_DETACH), EXEC_WORDS,
          .with = BIT(EXEC_DETACH) },
        { "shell", .operands = "c", .options = SHELL_BITS, EXEC_WORDS },
        { "session", "list", .operands = "?c", .options = ALL },
        { "session", "reset", .operands = "ct+", .options = ALL },
        { "session", "close", .operands = "ct+", .options = ALL },
        { "env", "set", .operands = "ct+", .options = ALL },
        { "env", "unset", .operands = "ct+", .options = ALL },
        { "env", "list", .operands = "c", .options = ALL },
        { "job", "list", .operands = "?c", .options = ALL },
        { "job", "logs", .operands = "j", .options = ALL },
        { "job", "stop", .operands = "j+", .options = ALL },
        { "job", "remove", .operands = "j+", .options = ALL },
        { "list", .operands = "", .options = ALL, .active = true },
        { "status", .operands = "c", .options = ALL, .active = true },
        { "inspect", .operands = "c", .options = ALL },
        { "stats", .operands = "?c+", .options = ALL },
        { "top", .operands = "c", .options = ALL },
        { "kill", .operands = "c?n", .options = ALL },
        { "logs", .operands = "c", .options = ALL },
        { "freeze", .operands = "c", .options = ALL },
        { "thaw", .help = "Let all processes of a container go on", .operands = "c", .options = ALL },
        FILE_ROW("read", "ct"),
        FILE_ROW("write", "ct"),
        FILE_ROW("append", "ct"),
        FILE_ROW("replace", "ct"),
        FILE_ROW("insert", "ct"),
        FILE_ROW("move", "ctt"),
        FILE_ROW("copy", "ctt"),
        FILE_ROW("search", "ctt"),
        FILE_ROW("list", "c?t"),
        /* The end that is the host's is the caller's own berth. */
        { "cp", .action = "cp.out", .help = "Copy files and trees out of a container",
          .operands = "is", .options = ALL },
        { "cp", .action = "cp.in", .help = "Copy files and trees into a container",
          .operands = "si", .options = ALL },
        { "snapshot", "create", .operands = "c?t", .options = ALL },
        { "snapshot", "list", .operands = "?c", .options = ALL },
        { "snapshot", "restore", .operands = "c?t", .options = ALL },
        { "snapshot", "remove", .operands = "c?t", .options = ALL },
        /* --force and --freeze concern whatever container uses the volume. */
        { "volume", "list", .operands = "?c", .options = BIT(VOLUME_JSON) | BIT(VOLUME_NO_LEGEND) },
        { "volume", "create", .operands = "v", .options = BIT(VOLUME_OWNER) | BIT(VOLUME_MODE) | BIT(VOLUME_JSON) },
        { "volume", "remove", .operands = "v", .options = BIT(VOLUME_JSON) },
        { "volume", "backup", .operands = "vo", .options = BIT(VOLUME_JSON) },
        { "volume", "restore", .operands = "vf", .options = BIT(VOLUME_MAX_SIZE) | BIT(VOLUME_JSON) },

        { "run", .root = "its words say what of the host a container has" },
        { "mount", .root = "it gives the container's root the rights of files of the host, or of another container" },
        { "umount", .root = "it undoes what root has mounted" },
        { "image", .root = "an image is not of one container, and what starts from it next is what it says" },
        { "commit", .root = "an image is not of one container, and what starts from it next is what it says" },
        { "remove", .root = "it ends containers, and what they keep" },
        { "clean", .root = "it is about all containers" },

        { "doctor", .open = true },
        { "check", .open = true },
        { "preview", .open = true },
        { "diff", .open = true },
        { "convert", .open = true },
        { "enable", .open = true },
        { "disable", .open = true },
        {},
};
/* clang-format on */

char *gate_verb_action(const GateVerb *verb) {
        char *text;
        int r = verb->action    ? asprintf(&text, GATE_ACTION_PREFIX "%s", verb->action)
                : verb->subverb ? asprintf(&text, GATE_ACTION_PREFIX "%s.%s", verb->name, verb->subverb)
                                : asprintf(&text, GATE_ACTION_PREFIX "%s", verb->name);

        return r < 0 ? NULL : text;
}

const char *gate_verb_help(const GateVerb *verb) {
        const Verb *v = verb_find(verb->name);

        if (verb->help)
                return verb->help;
        assert(v);
        for (const Subverb *s = v->subverbs; verb->subverb && s && s->name; s++)
                if (streq(s->name, verb->subverb))
                        return s->help;
        return v->help;
}
