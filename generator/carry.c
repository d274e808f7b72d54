/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/carry.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/strv.h"
#include "common/utf8.h"
#include "generator/keys.h"
#include "generator/specifier.h"
#include "generator/unit.h"
#include "generator/words.h"

static void carry_done(Carry *c) {
        for (size_t i = 0; i < ARRAY_LEN(c->out); i++)
                carry_lines_done(&c->out[i]);
        strv_free(c->done);
        strv_free(c->later);
        strv_free(c->targets);
        strv_free(c->mounts);
        free(c->ports);
}

void carry_say(Carry *c, FindingLevel level, const QuadletSetting *s, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        finding_addv(c->findings, level, s ? s->path : c->q->path, s ? s->line : 0, format, ap);
        va_end(ap);
}

/* Is KEY of a section in that list? Adds it in any case. */
static bool once(Carry *c, char ***list, CarryOut out, const char *key) {
        char name[128];

        snprintf(name, sizeof(name), "%s.%s", carry_section(out), key);
        if (strv_contains(*list, name))
                return true;
        if (strv_append(list, name) < 0)
                c->failed = true;
        return false;
}

bool carry_has(const Carry *c, CarryOut out, const char *key) {
        char name[128];

        snprintf(name, sizeof(name), "%s.%s", carry_section(out), key);
        return strv_contains(c->done, name);
}

bool carry_one_line(const char *value) {
        size_t n = strlen(value), k = 0;

        while (k < n && value[n - 1 - k] == '\\')
                k++;
        return k % 2 == 0 && !strpbrk(value, "\n\r") && utf8_valid_prefix(value, n) == n &&
               (n == 0 || (!strchr(" \t", value[0]) && !strchr(" \t", value[n - 1])));
}

/* May the value be written? Tells if not, or if this version is not there yet. */
static bool accepted(Carry *c, const QuadletSetting *s, CarryOut out, const char *key, const char *value,
                     bool ahead) {
        const Section *section = section_find(carry_section(out));
        const Key *known = key_find(carry_section(out), key);
        _cleanup_free_ char *canonical = NULL, *error = NULL;
        int r = 0;

        if (!carry_one_line(value)) {
                carry_warning(c, s, "%s= is not carried over: '%s' cannot stand on one line of UTF-8",
                              s->key, DIAG_CLIP(value));
                return false;
        }
        if (section->kind == SECTION_PASS && !(known && known->type))
                return true;
        if (known && known->type && !(known->list && value[0] == '\0'))
                r = known->type->parse(value, &canonical, &error);
        if (r == -ENOMEM)
                c->failed = true;
        if ((!known || !known->type || (r < 0 && ahead)) && !once(c, &c->later, out, key))
                carry_note(c, s,
                           "%s= of [%s] is written, but this version of Berth does not support it yet%s",
                           key, carry_section(out), r < 0 ? " with such a value" : "");
        if (r == -EINVAL && !ahead)
                carry_warning(c, s, "%s= is not carried over: %s= does not take '%s': %s%s", s->key, key,
                              DIAG_CLIP(value), error ? "" : "expected ",
                              error ? error : known->type->expected);
        return r >= 0 || (ahead && r != -ENOMEM);
}

static void put(Carry *c, const QuadletSetting *s, CarryOut out, const char *key, const char *value,
                bool ahead) {
        const Section *section = section_find(carry_section(out));
        const Key *known = key_find(carry_section(out), key);
        bool list = known ? known->list : section->kind == SECTION_PASS;
        _cleanup_text_ Text line = { 0 };

        if (!value || !accepted(c, s, out, key, value, ahead))
                return;
        if (once(c, &c->done, out, key) && !list) {
                carry_warning(c, s, "%s= is not carried over: %s= of [%s] is set already", s->key, key,
                              carry_section(out));
                return;
        }
        text_addf(&line, "%s=%s\n", key, value);
        carry_line(c, out, s, &line);
}

void carry_put(Carry *c, const QuadletSetting *s, CarryOut out, const char *key, const char *value) {
        put(c, s, out, key, value, false);
}

void carry_put_ahead(Carry *c, const QuadletSetting *s, CarryOut out, const char *key, const char *value) {
        put(c, s, out, key, value, true);
}

/* Length of the variable at s, "${NAME}", or if it is all of the word "$NAME"; 0 if systemd replaces nothing. */
static size_t variable_length(const char *word, const char *s) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
        size_t n;

        if (s[1] == '{') {
                n = strspn(s + 2, letters);
                return n > 0 && s[2 + n] == '}' ? n + 3 : 0;
        }
        n = strspn(s + 1, letters);
        return s == word && n > 0 && s[1 + n] == '\0' ? n + 1 : 0;
}

char *carry_text(Carry *c, const QuadletSetting *s, const char *text) {
        _cleanup_text_ Text t = { 0 };
        char *ret = NULL;

        for (const char *p = text; *p; p++) {
                size_t n;

                if (p[0] == '$' && p[1] == '$')
                        p++;
                else if (p[0] == '$' && (n = variable_length(text, p)) > 0)
                        carry_warning(c, s,
                                      "%s=: systemd replaces '%s' for podman; Berth takes it as it stands, write the "
                                      "value",
                                      s->key, diag_clip_into(p, n, (char[DIAG_CLIP_SIZE]){ 0 }));
                if (p[0] == '%' &&
                    !specifier_check((char[]){ '%', p[1] != '\0' ? p[1] : '\0', '\0' }, NULL)) {
                        carry_warning(c, s,
                                      "%s=: '%%' in '%s' begins no specifier of systemd, which refuses podman's unit "
                                      "for it; it is taken literally",
                                      s->key, DIAG_CLIP(text));
                        text_add(&t, "%");
                } else if (p[0] == '%') /* with the letter, which may be a second one */
                        text_add_bytes(&t, p++, 1);
                text_add_bytes(&t, p, 1);
        }
        if (text_take(&t, &ret, NULL) < 0)
                c->failed = true;
        return ret;
}

/* Splits, each unknown escape becoming a backslash and what stands behind. false: told to be wrong. */
static bool split(Carry *c, const QuadletSetting *s, char ***ret) {
        _cleanup_free_ char *value = strdup(s->value);
        WordsError error;
        int r;

        for (;;) {
                char *grown;
                size_t n;

                if (!value) {
                        c->failed = true;
                        return false;
                }
                r = words_split(value, ret, &error);
                if (r == -ENOMEM)
                        c->failed = true;
                if (r >= 0)
                        return true;
                n = strlen(value);
                if (r == -ENOMEM || value[error.offset] != '\\' || error.offset + 1 >= n ||
                    strchr("xuU01234567", value[error.offset + 1]))
                        break;
                carry_warning(c, s,
                              "%s=: '%.2s' is no escape, and podman drops the whole key for it; the backslash is taken "
                              "literally",
                              s->key, value + error.offset);
                grown = realloc(value, n + 2);
                if (!grown) {
                        c->failed = true;
                        return false;
                }
                value = grown;
                memmove(value + error.offset + 1, value + error.offset, n - error.offset + 1);
        }
        if (r == -EINVAL)
                carry_error(c, s, "%s=: %s", s->key, error.message);
        return false;
}

char **carry_words(Carry *c, const QuadletSetting *s) {
        _cleanup_strv_ char **words = NULL;

        if (!split(c, s, &words))
                return NULL;
        for (char **word = words; word && *word; word++) {
                char *text = carry_text(c, s, *word);

                if (!text)
                        return NULL;
                free(*word);
                *word = text;
        }
        return TAKE_PTR(words);
}

void carry_word(Text *line, const char *word) {
        static const char plain[] =
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-%=:,+@$*?!&|<>()[]{}^~#;`";

        if (line->size > 0)
                text_add(line, " ");
        if (word[0] != '\0' && strspn(word, plain) == strlen(word))
                text_add(line, word);
        else
                unit_word(line, word, UNIT_SPECIFIERS);
}

bool carry_of_pod(const Carry *c, const QuadletSetting *s) {
        return c->pod && c->pod->n > 0 && s >= c->pod->list && s < c->pod->list + c->pod->n;
}

char *carry_reference(Carry *c, const Quadlet *container) {
        char *text = NULL;

        if (asprintf(&text, "%s.%s", container->name, container->given ? "berth" : "service") < 0) {
                c->failed = true;
                return NULL;
        }
        return text;
}

char *carry_path(Carry *c, const QuadletSetting *s, const char *path) {
        const char *directory = carry_of_pod(c, s) ? c->pod->directory : c->q->directory;
        _cleanup_text_ Text t = { 0 };
        char *ret = NULL;

        if (path[0] != '/' && (path[0] != '%' || path[1] == '%')) {
                for (const char *d = directory; *d; d++)
                        text_add(&t, *d == '%' ? "%%" : (char[]){ *d, '\0' });
                while (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))
                        for (path++; *path == '/';)
                                path++;
                if (t.size == 0 || t.data[t.size - 1] != '/')
                        text_add(&t, "/");
        }
        text_add(&t, path);
        if (text_take(&t, &ret, NULL) < 0) {
                c->failed = true;
                return NULL;
        }
        for (size_t n = strlen(ret); n > 1 && ret[n - 1] == '/';)
                ret[--n] = '\0';
        return ret;
}

bool carry_size(const char *s, char ret[static 32]) {
        size_t n = strspn(s, "0123456789.");
        char unit = s[n];

        if (n == 0 || n > 20)
                return false;
        if (unit >= 'a' && unit <= 'z')
                unit = (char) (unit - 'a' + 'A');
        if (unit != '\0' &&
            (!strchr("BKMGT", unit) ||
             !(s[n + 1] == '\0' || (unit != 'B' && strchr("bB", s[n + 1]) && s[n + 2] == '\0'))))
                return false;
        snprintf(ret, 32, "%.*s%.1s", (int) n, s, unit == 'B' ? "" : (char[]){ unit, '\0' });
        return true;
}

bool carry_json_words(Carry *c, const char *text, char ***ret) {
        _cleanup_strv_ char **words = NULL;
        json_object *array = text[0] == '[' ? json_tokener_parse(text) : NULL;
        bool good = array && json_object_is_type(array, json_type_array);

        for (size_t i = 0; good && i < json_object_array_length(array); i++) {
                json_object *word = json_object_array_get_idx(array, i);

                good = json_object_is_type(word, json_type_string) &&
                       strlen(json_object_get_string(word)) == (size_t) json_object_get_string_len(word);
                if (good && strv_append(&words, json_object_get_string(word)) < 0)
                        c->failed = true;
        }
        json_object_put(array);
        if (good)
                *ret = TAKE_PTR(words);
        return good;
}

/* The settings of a unit, those that count, each by its row. */
static void carry_settings(Carry *c, const Quadlet *unit, const char *group, unsigned bit) {
        for (size_t i = 0; i < unit->n && !c->failed; i++) {
                const QuadletSetting *s = &unit->list[i];
                const CarryRow *row = streq(s->section, group) ? carry_row(bit, s->key) : NULL;

                if (!streq(s->section, group))
                        carry_systemd(c, s, bit == CARRY_IN_POD);
                else if (!row && !carry_known(unit->kind, s->key, NULL))
                        carry_error(c, s, "'%s' is no key of [%s], and podman refuses the file for it",
                                    DIAG_CLIP(s->key), group);
                else if (row && quadlet_effective(unit, s, row->list) &&
                         (s->value[0] != '\0' || (!row->list && streq(s->key, "Entrypoint"))))
                        row->carry(c, s, row);
        }
}

/* What podman itself refuses, and what we cannot do without. */
static void check_container(Carry *c) {
        const QuadletSetting *image = quadlet_last(c->q, "Container", "Image"),
                             *rootfs = quadlet_last(c->q, "Container", "Rootfs"),
                             *group = quadlet_last(c->q, "Container", "Group"),
                             *command = quadlet_last(c->q, "Container", "ReloadCmd"),
                             *signal = quadlet_last(c->q, "Container", "ReloadSignal");

        if (!image && !rootfs)
                carry_error(c, NULL, "there is no Image= in [Container], and no Rootfs=");
        if (image && rootfs)
                carry_error(c, rootfs, "Rootfs= stands beside Image= on line %u; remove one of them",
                            image->line);
        if (group && !quadlet_last(c->q, "Container", "User"))
                carry_error(c, group, "Group= stands without User=, which podman refuses; add it");
        if (command && signal)
                carry_error(c, signal,
                            "ReloadSignal= stands beside ReloadCmd= on line %u; remove one of them",
                            command->line);
}

/* A check without a command is that of the image, which podman knows and Berth does not read. */
static void check_health(Carry *c) {
        if (c->out[CARRY_HEALTH].n == 0 || carry_has(c, CARRY_HEALTH, "Exec"))
                return;
        carry_lines_done(&c->out[CARRY_HEALTH]);
        carry_warning(c, NULL,
                      "there is no HealthCmd=: what is said of health is of the image's own check, which is not carried "
                      "over; write [Health] with Exec=");
}

/* Where Berth does something else without being told to, which no line of the file shows. */
static void note_defaults(Carry *c) {
        if (!carry_has(c, CARRY_NETWORK, "Mode"))
                carry_note(c, NULL,
                           "the network is private, and has loopback alone in this version of Berth (Mode=host is the "
                           "host's); podman's default, a bridge, reaches out and joins containers");
        if (!carry_has(c, CARRY_CONTAINER, "PrivateUsers"))
                carry_note(c, NULL,
                           "user ids inside are a private range of the host's; podman's are the host's own "
                           "(PrivateUsers=no). Files of mounts keep their numbers");
        if (!carry_has(c, CARRY_CONTAINER, "NoNewPrivileges"))
                carry_note(c, NULL,
                           "set-uid programs gain nothing inside; podman lets them (NoNewPrivileges=no)");
        if (!quadlet_last(c->q, "Quadlet", "DefaultDependencies"))
                carry_note(c, NULL,
                           "the start does not wait for network-online.target, as podman's does; add it to Wants= and "
                           "After= of [Unit] if it must");
}

/* Comment lines: every finding of a level, under a heading. */
static void add_comments(Text *t, const Quadlet *q, const Findings *findings, FindingLevel level,
                         const char *heading) {
        size_t directory = strlen(q->path) - strlen(q->file);
        bool any = false;

        for (size_t i = 0; i < findings->n; i++) {
                const Finding *f = &findings->list[i];
                bool beside = strncmp(f->path, q->path, directory) == 0;

                if (f->level != level)
                        continue;
                if (!any)
                        text_addf(t, "# %s\n", heading);
                any = true;
                if (f->line > 0)
                        text_addf(t, "#   %s:%u: %s\n", beside ? f->path + directory : f->path, f->line,
                                  f->message);
                else
                        text_addf(t, "#   %s\n", f->message);
        }
}

static int carry_assemble(Carry *c, char **ret) {
        _cleanup_free_ char *file = strdup(c->q->file);
        _cleanup_text_ Text t = { 0 };

        if (!file)
                return -ENOMEM;
        findings_clean(file);
        text_addf(&t, "# Made by berth convert from %s.\n", file);
        add_comments(&t, c->q, c->findings, FINDING_WARNING, "Not carried over:");
        add_comments(&t, c->q, c->findings, FINDING_NOTE, "Worth knowing:");
        carry_body(c, &t);
        return text_take(&t, ret, NULL);
}

static void join_findings(Findings *to, const Findings *from) {
        for (size_t i = 0; i < from->n; i++)
                finding_add(to, from->list[i].level, from->list[i].path, from->list[i].line, "%s",
                            from->list[i].message);
}

static void find_pod(Carry *c) {
        const QuadletSetting *s = quadlet_last(c->q, "Container", "Pod");

        if (!s)
                return;
        c->pod = quadlets_find(c->all, s->value);
        if (quadlet_kind_from_name(s->value) != QUADLET_POD)
                carry_error(c, s, "Pod= is '%s', which is no .pod file, and podman refuses that",
                            DIAG_CLIP(s->value));
        else if (!c->pod)
                carry_error(c, s,
                            "Pod= names '%s', which is not there; name it as well, or put it beside this file",
                            DIAG_CLIP(s->value));
        else
                c->first = quadlets_pod_first(c->all, c->pod);
}

int carry_container(const Quadlets *all, const Quadlet *q, char **ret, Findings *findings) {
        _cleanup_(carry_done) Carry c = { .all = all, .q = q, .findings = findings };
        int r = 0;

        *ret = NULL;
        join_findings(findings, &q->findings);
        find_pod(&c);
        check_container(&c);
        carry_pod_member(&c);
        carry_settings(&c, q, "Container", CARRY_IN_CONTAINER);
        if (c.pod) {
                join_findings(findings, &c.pod->findings);
                carry_settings(&c, c.pod, "Pod", CARRY_IN_POD);
        }
        carry_user_namespace(&c);
        carry_read_only_tmpfs(&c);
        check_health(&c);
        if (findings->errors == 0 && !carry_has(&c, CARRY_CONTAINER, "Image"))
                carry_error(&c, NULL, "its image has no name that Berth takes; import it, and write Image=");
        if (findings->errors == 0 && !c.failed)
                r = carry_check(&c);
        note_defaults(&c);
        if (r >= 0 && findings->errors == 0)
                r = carry_assemble(&c, ret);
        return c.failed || findings->failed ? -ENOMEM : r;
}
