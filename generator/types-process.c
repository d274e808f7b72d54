/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/types-process.h"

#include <stdio.h>

#include "common/capability.h"
#include "common/parse.h"
#include "common/signals.h"
#include "common/strv.h"
#include "common/sysctl.h"
#include "generator/diag.h"
#include "generator/mount.h"
#include "generator/specifier.h"
#include "generator/text.h"
#include "generator/types-words.h"

#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static int parse_profile(const char *value, char **ret, char **reterr _unused_) {
        static const char *const words[] = { "minimal", "standard", "full", NULL };

        return type_one_of(value, words, ret);
}

static int parse_notify(const char *value, char **ret, char **reterr _unused_) {
        bool b;

        if (streq(value, "healthy"))
                return type_keep(value, ret);
        return parse_bool(value, &b) < 0 ? -EINVAL : type_keep(b ? "yes" : "no", ret);
}

static int parse_namespace(const char *value, char **ret, char **reterr _unused_) {
        static const char *const words[] = { "private", "host", NULL };

        return type_one_of(value, words, ret);
}

static int parse_resolv_conf(const char *value, char **ret, char **reterr _unused_) {
        static const char *const words[] = { "auto", "off", "copy-host", NULL };

        return type_one_of(value, words, ret);
}

/* Words that are absolute paths; mark: "-" may stand before one. */
static int check_paths(const char *value, bool mark, char **ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        int r;

        r = type_split_some(value, &words, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; words[i]; i++) {
                if (mark && words[i][0] == '+')
                        return type_complain(
                                        reterr,
                                        "'%s' begins with '+'; paths are those of the container anyway, "
                                        "leave it out",
                                        DIAG_CLIP(words[i]));
                r = type_check_path(words[i] + (mark && words[i][0] == '-'), reterr);
                if (r < 0)
                        return r;
        }
        return type_keep(value, ret);
}

static int parse_paths(const char *value, char **ret, char **reterr) {
        return check_paths(value, /* mark= */ false, ret, reterr);
}

static int parse_marked_paths(const char *value, char **ret, char **reterr) {
        return check_paths(value, /* mark= */ true, ret, reterr);
}

static int parse_users(const char *value, char **ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        _cleanup_text_ Text t = { 0 };
        int r;

        r = type_split_some(value, &words, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; words[i]; i++) {
                _cleanup_free_ char *word = NULL;

                r = type_user.parse(words[i], &word, reterr);
                if (r == -EINVAL && !*reterr)
                        return type_complain(reterr, "'%s': expected %s", DIAG_CLIP(words[i]),
                                             type_user.expected);
                if (r < 0)
                        return r;
                text_addf(&t, "%s%s", i > 0 ? " " : "", word);
        }
        return text_take(&t, ret, NULL);
}

static int parse_umask(const char *value, char **ret, char **reterr _unused_) {
        char text[8];
        mode_t mode;

        if (parse_mode(value, &mode) < 0)
                return -EINVAL;
        snprintf(text, sizeof(text), "%04o", mode);
        return type_keep(text, ret);
}

static int word_timezone(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        static const char form[] = "is no name of a time zone; write one as Europe/Berlin, UTC or local";
        const char *s = word;

        for (;;) { /* parts of letters, digits and "_+-", as the files of tzdata are called */
                size_t n = strspn(s, UPPER LOWER DIGITS "_+-");

                if (n == 0 || s[0] == '-' || s[0] == '+' || (s[n] != '\0' && s[n] != '/'))
                        return type_problem(ret_problem, form);
                if (s[n] == '\0')
                        return type_same(word, ret, ret_problem);
                s += n + 1;
        }
}

static int parse_timezone(const char *value, char **ret, char **reterr) {
        return type_map_word(value, word_timezone, ret, reterr);
}

static int word_secret(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        size_t n = strcspn(word, ":");
        const char *variable;

        if (n == 0 || n > 128 || !strchr(UPPER LOWER DIGITS, word[0]) ||
            strspn(word, UPPER LOWER DIGITS "._-") != n)
                return type_problem(ret_problem,
                                    "does not begin with a name of letters, digits, '.', '_' and '-'");
        if (word[n] == '\0')
                return type_same(word, ret, ret_problem);
        variable = startswith(word + n, ":env=");
        if (!variable)
                return type_problem(ret_problem, "has something else than ':env=VARIABLE' behind its name");
        if (variable[0] == '\0' || strchr(DIGITS, variable[0]) ||
            strspn(variable, UPPER LOWER DIGITS "_") != strlen(variable))
                return type_problem(ret_problem,
                                    "does not end in a variable's name: letters, digits and '_', no "
                                    "digit first");
        return type_same(word, ret, ret_problem);
}

static int parse_secrets(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_secret, ret, reterr);
}

static int word_capability(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        unsigned number;

        if (capability_parse(word, &number) < 0)
                return type_problem(ret_problem,
                                    "is no capability of capabilities(7); write it as CAP_NET_ADMIN");
        return type_same(word, ret, ret_problem);
}

static int parse_capabilities(const char *value, char **ret, char **reterr) {
        const char *meant = capability_suggest(value);
        unsigned number;

        if (meant && capability_parse(value, &number) < 0)
                return type_complain(reterr, "'%s' is no capability of capabilities(7) (did you mean '%s'?)",
                                     DIAG_CLIP(value), meant);
        return type_map_words(value, word_capability, ret, reterr);
}

static int parse_drops(const char *value, char **ret, char **reterr) {
        return streq(value, "all") ? type_keep(value, ret) : parse_capabilities(value, ret, reterr);
}

/* systemd.exec(5), "System Call Filtering", and those that newer versions have. */
static const char *const call_groups[] = {
        "@aio",        "@basic-io",    "@chown",    "@clock",      "@cpu-emulation",  "@debug",
        "@default",    "@file-system", "@io-event", "@ipc",        "@keyring",        "@known",
        "@memlock",    "@module",      "@mount",    "@network-io", "@obsolete",       "@pkey",
        "@privileged", "@process",     "@raw-io",   "@reboot",     "@resources",      "@sandbox",
        "@setuid",     "@signal",      "@swap",     "@sync",       "@system-service", "@timer",
};

static bool is_call_group(const char *word, size_t n) {
        for (size_t i = 0; i < ARRAY_LEN(call_groups); i++)
                if (strlen(call_groups[i]) == n && strncmp(call_groups[i], word, n) == 0)
                        return true;
        return false;
}

/* errno(3)'s names, a number up to the kernel's MAX_ERRNO, or "kill". */
static bool is_call_action(const char *s) {
        uint32_t v;

        if (streq(s, "kill"))
                return true;
        if (parse_uint32(s, &v) >= 0)
                return v <= 4095;
        for (int i = 1; i < 134; i++)
                if (strerrorname_np(i) && streq(strerrorname_np(i), s))
                        return true;
        return false;
}

static int word_call(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        size_t n = strcspn(word, ":");

        if (word[0] == '~')
                return type_problem(ret_problem,
                                    "has a '~', which stands once, before the first word of the line");
        if (word[0] == '@' && !is_call_group(word, n))
                return type_problem(ret_problem, "is no group of systemd.exec(5), such as @system-service");
        if (word[0] != '@' && (n == 0 || strspn(word, LOWER DIGITS "_") != n))
                return type_problem(ret_problem,
                                    "is no name of a system call: lower case letters, digits and '_'");
        if (word[n] == ':' && !is_call_action(word + n + 1))
                return type_problem(ret_problem,
                                    "has no error behind the ':'; write a name such as EPERM, a number, "
                                    "or kill");
        return type_same(word, ret, ret_problem);
}

static int parse_call_filter(const char *value, char **ret, char **reterr) {
        bool inverted = value[0] == '~';
        _cleanup_free_ char *words = NULL;
        int r;

        r = type_map_words(value + inverted, word_call, &words, reterr);
        if (r < 0)
                return r;
        if (!inverted && strchr(words, ':'))
                return type_complain(
                                reterr,
                                "'%s' allows calls, which have no error; begin the line with '~' to refuse them",
                                DIAG_CLIP(value));
        return asprintf(ret, "%s%s", inverted ? "~" : "", words) < 0 ? -ENOMEM : 0;
}

static int word_apparmor(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        if (strlen(word) > 255)
                return type_problem(ret_problem, "is longer than the name of a profile");
        for (const char *s = word; *s; s++)
                if ((unsigned char) *s <= ' ' || (unsigned char) *s >= 0x7f || strchr("\"'\\", *s))
                        return type_problem(ret_problem, "is no name of an AppArmor profile");
        return type_same(word, ret, ret_problem);
}

static int parse_apparmor(const char *value, char **ret, char **reterr) {
        return type_map_word(value, word_apparmor, ret, reterr);
}

/* A path as DeviceAllow= and IO*BandwidthMax= can have it: they know no escapes. */
static bool path_plain(const char *path) {
        return strspn(path, UPPER LOWER DIGITS "/._-+:@,=%") == strlen(path);
}

static int parse_device(const char *value, char **ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        const char *access;
        int r;

        r = type_split(value, &words, reterr);
        if (r < 0)
                return r;
        if (strv_length(words) < 1 || strv_length(words) > 2)
                return -EINVAL;
        if (startswith(words[0], "char-") || startswith(words[0], "block-"))
                return type_complain(
                                reterr,
                                "'%s' is a class of devices, which has no node; name a node below /dev, and "
                                "the class with DeviceAllow= in [Service]",
                                DIAG_CLIP(words[0]));
        r = type_check_path(words[0], reterr);
        if (r < 0)
                return r;
        if (!startswith(words[0], "/dev/") || words[0][strlen("/dev/")] == '\0' || endswith(words[0], "/"))
                return type_complain(reterr, "'%s' is no node below /dev", DIAG_CLIP(words[0]));
        if (!path_plain(words[0]) || strstr(words[0], "//"))
                return type_complain(reterr,
                                     "'%s' holds characters that DeviceAllow= of systemd cannot have",
                                     DIAG_CLIP(words[0]));
        access = words[1] ? words[1] : "rwm"; /* as DeviceAllow= has it */
        for (size_t i = 0; access[i]; i++)
                if (!strchr("rwm", access[i]) || strchr(access + i + 1, access[i]))
                        return type_complain(reterr,
                                             "'%s' is no access: expected some of r, w and m, each once",
                                             DIAG_CLIP(access));
        if (access[0] == '\0')
                return -EINVAL;
        return asprintf(ret, "%s %s", words[0], access) < 0 ? -ENOMEM : 0;
}

static int parse_sysctl(const char *value, char **ret, char **reterr) {
        _cleanup_free_ char *filled = NULL;
        char *text;
        int r;

        r = type_check_specifiers(value, reterr);
        if (r >= 0)
                r = specifier_fill(value, "1", &filled);
        if (r < 0)
                return r;
        text = strchr(filled, '=');
        if (!text)
                return -EINVAL;
        *text++ = '\0';
        if (!sysctl_name_valid(filled))
                return type_complain(reterr,
                                     "'%s' does not begin with the name of a sysctl; write it with dots: "
                                     "net.ipv4.ip_forward=1",
                                     DIAG_CLIP(value));
        if (sysctl_scope(filled) < 0)
                return type_complain(
                                reterr,
                                "'%s' is the host's, not the container's own; those are net.*, fs.mqueue.*, "
                                "kernel.msg*, kernel.shm* and kernel.sem",
                                DIAG_CLIP(filled));
        if (text[0] == '\0')
                return type_complain(reterr, "'%s' is given no value", DIAG_CLIP(filled));
        for (; *text; text++)
                if ((unsigned char) *text < ' ' && *text != '\t')
                        return type_complain(reterr, "the value of '%s' holds a control character",
                                             DIAG_CLIP(filled));
        return type_keep(value, ret);
}

static int parse_tmpfs(const char *value, char **ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        int r;

        r = type_split_some(value, &words, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; words[i]; i++) {
                _cleanup_(mount_done) Mount mount = { 0 };

                r = mount_parse_tmpfs(words[i], &mount, reterr);
                if (r < 0)
                        return r;
        }
        return type_keep(value, ret);
}

static int parse_type_signal(const char *value, char **ret, char **reterr _unused_) {
        char name[SIGNAL_NAME_SIZE];
        int number;

        if (signal_parse(value, &number) < 0)
                return -EINVAL;
        signal_format(number, name);
        return type_keep(name, ret);
}

static int parse_command(const char *value, char **ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        int r;

        r = type_split_some(value, &words, reterr);
        if (r < 0)
                return r;
        r = type_check_path(words[0], reterr); /* no shell, and no PATH to look it up in */
        return r < 0 ? r : type_keep(value, ret);
}

static int parse_program(const char *value, char **ret, char **reterr) {
        _cleanup_strv_ char **words = NULL;
        int r;

        r = type_split_some(value, &words, reterr);
        if (r < 0)
                return r;
        return words[0][0] != '\0' ? type_keep(value, ret) : -EINVAL;
}

/* One label, its value whole: it may hold blanks. */
static int parse_label(const char *value, char **ret, char **reterr) {
        size_t n = strcspn(value, "=");
        int r = type_check_specifiers(value, reterr);

        if (r < 0)
                return r;
        if (value[n] != '=')
                return -EINVAL;
        if (n == 0 || n > 128 || strspn(value, UPPER LOWER DIGITS "._/-") < n)
                return type_complain(
                                reterr,
                                "'%s' does not begin with a label's key: letters, digits, '.', '_', '/' and "
                                "'-', at most 128",
                                DIAG_CLIP(value));
        return type_keep(value, ret);
}

/* clang-format off */
const Type type_profile = { "minimal, standard or full", parse_profile };
const Type type_paths = { "absolute paths", parse_paths };
const Type type_marked_paths = { "absolute paths, '-' before one that may be missing", parse_marked_paths };
const Type type_users = { "names ([A-Za-z0-9._-]) or numbers from 0 to 4294967294", parse_users };
const Type type_umask = { "three or four octal digits up to 0777", parse_umask };
const Type type_timezone = { "a time zone such as Europe/Berlin, UTC or local", parse_timezone };
const Type type_secrets = { "NAME or NAME:env=VARIABLE", parse_secrets };
const Type type_notify = { "yes, no or healthy", parse_notify };
const Type type_capabilities = { "names of capabilities(7), such as CAP_NET_ADMIN", parse_capabilities };
const Type type_drops = { "names of capabilities(7), such as CAP_CHOWN, or all", parse_drops };
const Type type_call_filter = { "names of system calls and groups such as @system-service, '~' first to refuse them", parse_call_filter };
const Type type_apparmor = { "the name of an AppArmor profile", parse_apparmor };
const Type type_device = { "/dev/NAME, and behind it some of r, w and m", parse_device };
const Type type_sysctl = { "KEY=VALUE, such as net.ipv4.ip_forward=1", parse_sysctl };
const Type type_tmpfs = { "PATH or PATH:OPTIONS", parse_tmpfs };
const Type type_namespace = { "private or host", parse_namespace };
const Type type_resolv_conf = { "auto, off or copy-host", parse_resolv_conf };
const Type type_signal = { "a signal such as SIGTERM or SIGRTMIN+3", parse_type_signal };
const Type type_command = { "an absolute path and words", parse_command };
const Type type_program = { "a program and words", parse_program };
const Type type_label = { "KEY=VALUE", parse_label };
/* clang-format on */
