/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a container's process may and may not, and what it is trusted with: capabilities, devices, system calls, resource
 * limits, secrets. */

#include <stdio.h>

#include "common/strv.h"
#include "generator/carry.h"

/* Each on a line of its own, so that one that is not taken loses no other. */
void carry_capabilities(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_strv_ char **list = carry_words(c, s);

        for (char **word = list; word && *word; word++) {
                bool all = strcasecmp(*word, "all") == 0;
                char name[64];

                if (all && streq(s->key, "AddCapability")) {
                        carry_warning(c, s,
                                      "AddCapability=all is not carried over: name those that it needs");
                        continue;
                }
                snprintf(name, sizeof(name), "%s%s", strncasecmp(*word, "cap_", 4) == 0 ? "" : "CAP_",
                         *word);
                for (char *letter = name; *letter; letter++)
                        if (*letter >= 'a' && *letter <= 'z')
                                *letter = (char) (*letter - 'a' + 'A');
                carry_put(c, s, row->out, row->to, all ? "all" : name);
        }
}

/* HOST[:CONTAINER][:PERMISSIONS], with a "-" before what may be missing. */
void carry_device(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_strv_ char **list = carry_words(c, s);

        for (char **word = list; word && *word; word++) {
                const char *host = **word == '-' ? *word + 1 : *word, *colon = strchr(host, ':'),
                           *permissions = NULL;
                size_t n = colon ? (size_t) (colon - host) : strlen(host);
                _cleanup_free_ char *text = NULL;

                if (colon && colon[1] == '/') {
                        size_t m = strcspn(colon + 1, ":");

                        if (m != n || strncmp(colon + 1, host, n) != 0)
                                carry_warning(c, s,
                                              "AddDevice=: '%s' keeps the host's path inside: a device has one path",
                                              DIAG_CLIP(*word));
                        permissions = colon[1 + m] == ':' ? colon + 2 + m : NULL;
                } else if (colon)
                        permissions = colon + 1;
                if (host != *word)
                        carry_warning(c, s,
                                      "AddDevice=: '%s' must be there when the container starts; remove the line "
                                      "where it is not",
                                      DIAG_CLIP(host));
                if (asprintf(&text, "%.*s%s%s", (int) n, host, permissions ? " " : "",
                             permissions ? permissions : "") < 0) {
                        text = NULL;
                        c->failed = true;
                }
                carry_put(c, s, row->out, row->to, text);
        }
}

void carry_seccomp(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_free_ char *value = NULL, *path = NULL;

        if (streq(s->value, "unconfined")) {
                carry_warning(c, s,
                              "SeccompProfile=unconfined is not carried over: allow what it needs by "
                              "a profile of its own");
                return;
        }
        if (quadlet_string(s, &value) < 0)
                c->failed = true;
        else
                path = carry_path(c, s, value);
        carry_put(c, s, row->out, row->to, path);
}

/* One option of a secret, behind its name. Returns whether it makes a variable. */
static bool secret_option(Carry *c, const QuadletSetting *s, const char *option, const char **ret_target) {
        const char *target = startswith(option, "target=");

        if (target)
                *ret_target = target;
        else if (streq(option, "type=env"))
                return true;
        else if (!streq(option, "type=mount"))
                carry_warning(c, s,
                              "Secret=: '%s' is not carried over: secrets belong to the leader's user, mode 0400",
                              DIAG_CLIP(option));
        return false;
}

/* NAME[,OPTION...]; the first may be spelt source=NAME. */
void carry_secret(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_strv_ char **list = carry_words(c, s);

        for (char **word = list; word && *word; word++) {
                char *save = NULL, *name = strtok_r(*word, ",", &save);
                const char *source = name ? startswith(name, "source=") : NULL, *target = NULL;
                _cleanup_free_ char *text = NULL;
                bool variable = false;

                if (!name)
                        continue;
                source = source ? source : name;
                for (char *option = strtok_r(NULL, ",", &save); option; option = strtok_r(NULL, ",", &save))
                        variable = secret_option(c, s, option, &target) || variable;
                if (target && !variable)
                        carry_warning(c, s,
                                      "Secret=: target=%s is not carried over: the file is %s in $CREDENTIALS_DIRECTORY",
                                      DIAG_CLIP(target), DIAG_CLIP(source));
                if (asprintf(&text, "%s%s%s", source, variable ? ":env=" : "",
                             variable ? target ? target : source : "") < 0) {
                        text = NULL;
                        c->failed = true;
                }
                carry_put(c, s, row->out, row->to, text);
                carry_note(c, s,
                           "Secret=: store '%s' for Berth (podman secret inspect --showsecret %s); as a file it is in "
                           "$CREDENTIALS_DIRECTORY, no longer in /run/secrets",
                           DIAG_CLIP(source), DIAG_CLIP(source));
        }
}

/* NAME=SOFT[:HARD] to LimitNAME=. */
void carry_ulimit(Carry *c, const QuadletSetting *s, const CarryRow *row _unused_) {
        static const char *const names[] = { "as",      "core",     "cpu",        "data",   "fsize", "locks",
                                             "memlock", "msgqueue", "nice",       "nofile", "nproc", "rss",
                                             "rtprio",  "rttime",   "sigpending", "stack" };
        _cleanup_free_ char *value = NULL;
        char *eq = NULL;

        if (quadlet_string(s, &value) < 0)
                c->failed = true;
        else
                eq = strchr(value, '=');
        for (size_t i = 0; eq && i < ARRAY_LEN(names); i++) {
                char key[32] = "Limit", *soft = eq + 1, *hard = strchr(soft, ':'), text[128];

                if (strlen(names[i]) != (size_t) (eq - value) ||
                    strncasecmp(names[i], value, strlen(names[i])) != 0)
                        continue;
                if (hard)
                        *hard++ = '\0';
                for (size_t j = 0; names[i][j] != '\0'; j++)
                        key[5 + j] = (char) (names[i][j] - 'a' + 'A');
                snprintf(text, sizeof(text), "%s%s%s", streq(soft, "-1") ? "infinity" : soft,
                         hard ? ":" : "",
                         !hard               ? ""
                         : streq(hard, "-1") ? "infinity"
                                             : hard);
                carry_put(c, s, CARRY_CONTAINER, key, text);
                return;
        }
        if (value)
                carry_warning(c, s,
                              "Ulimit= is not carried over: '%s' is no NAME=SOFT[:HARD] of setrlimit(2)",
                              DIAG_CLIP(value));
}
