/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/manifest.h"

#include <stdio.h>

#include "common/names.h"
#include "common/strv.h"
#include "generator/keys.h"
#include "generator/lines.h"
#include "generator/policy.h"
#include "generator/rules.h"

#define NOT_YET "is not supported by this version of Berth (" BERTH_VERSION "); remove it"

/* The walk over one manifest and its drop-ins. */
typedef struct Walk {
        Manifest *m;
        size_t file; /* which of them */
        Diags *diags;
        const Section *section; /* NULL: none yet, or one to skip */
        bool skip;              /* settings here are not looked at: X-, or told to be wrong */
        char store_section[32]; /* where values of this section go */
        char **mounts;          /* NAME of each [Mount NAME] */
        unsigned mount_lines[STORE_VALUES_MAX];
        size_t n_mounts;
        bool full;
} Walk;

static void walk_done(Walk *w) {
        strv_free(w->mounts);
}

void manifest_done(Manifest *m) {
        free(m->name);
        free(m->path);
        store_free(m->store);
        mounts_done(&m->mounts);
        diags_done(&m->diags);
        *m = (Manifest){ 0 };
}

int manifest_init(Manifest *m, const char *name, const char *path) {
        _cleanup_manifest_ Manifest made = { 0 };
        int r;

        made.name = strdup(name);
        made.path = strdup(path);
        if (!made.name || !made.path)
                return -ENOMEM;
        r = store_new(&made.store);
        if (r >= 0)
                r = strv_append(&made.diags.files, path);
        if (r < 0)
                return r;
        *m = made;
        made = (Manifest){ 0 };
        return 0;
}

/* Tells, once, that the rest is not read. */
static void walk_full(Walk *w, const Line *line) {
        if (!w->full)
                diag_error(w->diags, line->line, line->key_column,
                           "the manifest holds more than %d settings, or %d with those of [Mount] sections; use "
                           "EnvironmentFile= or a second manifest",
                           STORE_VALUES_MAX, STORE_TOTAL_MAX);
        w->full = true;
}

static int walk_store(Walk *w, const char *key, const char *text, const Line *line) {
        int r = store_add(w->m->store, w->store_section, key, text, line->line, line->value_column);

        if (r != -E2BIG)
                return r;
        walk_full(w, line);
        return 0;
}

/* [Mount NAME]: the same NAME again goes on with the same mount. */
static int enter_mount(Walk *w, const char *name, const Line *line) {
        size_t i = 0;
        int r;

        if (!volume_name_valid(name)) {
                diag_error(w->diags, line->line, line->key_column,
                           "'%s' is no name of a mount: letters, digits, '.', '_' and '-', a letter or digit first",
                           DIAG_CLIP(name));
                w->skip = true;
                return 0;
        }
        while (i < w->n_mounts && !streq(w->mounts[i], name))
                i++;
        if (i == w->n_mounts) {
                if (i == ARRAY_LEN(w->mount_lines)) {
                        walk_full(w, line);
                        return 0;
                }
                r = strv_append(&w->mounts, name);
                if (r < 0)
                        return r;
                w->mount_lines[w->n_mounts++] = line->line;
        }
        snprintf(w->store_section, sizeof(w->store_section), "Mount %zu", i);
        return 0;
}

static void unknown_section(Walk *w, const char *name, const Line *line) {
        const char *meant = diags_full(w->diags) ? NULL : section_suggest(name);

        w->skip = true;
        if (meant)
                diag_error(w->diags, line->line, line->key_column,
                           "unknown section [%s] (did you mean [%s]?)", DIAG_CLIP(name), meant);
        else
                diag_error(w->diags, line->line, line->key_column,
                           "unknown section [%s]; remove it, or call it [X-%s] to have it ignored",
                           DIAG_CLIP(name), DIAG_CLIP(name));
}

static int enter_section(Walk *w, const Line *line) {
        _cleanup_free_ char *word = strndup(line->key, strcspn(line->key, " \t"));
        const char *rest = line->key + strcspn(line->key, " \t");

        if (!word)
                return -ENOMEM;
        rest += strspn(rest, " \t");
        w->section = NULL;
        w->skip = false;
        if (word[0] == '\0' || startswith(word, "X-")) {
                w->skip = true;
                return 0;
        }
        w->section = section_find(word);
        if (!w->section || (w->section->kind != SECTION_NAMED && *rest != '\0')) {
                unknown_section(w, w->section ? line->key : word, line);
                return 0;
        }
        snprintf(w->store_section, sizeof(w->store_section), "%s", word);
        if (w->section->kind == SECTION_LATER) {
                diag_error(w->diags, line->line, line->key_column, "the section [%s] " NOT_YET, word);
                w->skip = true;
                return 0;
        }
        if (w->section->kind == SECTION_NAMED)
                return enter_mount(w, rest, line);
        /* Of a section that is there with nothing in it more can be missing than of one that is not. */
        return !streq(word, "Socket") && !streq(word, "Timer") && !streq(word, "Health") ? 0
               : store_count(w->m->store, word, "*") != -ENOENT
                               ? 0
                               : store_reset(w->m->store, word, "*", line->line, line->key_column);
}

static void unknown_key(Walk *w, const char *name, bool optional, const Line *line) {
        const char *section = w->section->name,
                   *meant = diags_full(w->diags) ? NULL : key_suggest(section, name);
        const Key *elsewhere = diags_full(w->diags) ? NULL : key_find_elsewhere(name);

        if (optional)
                diag_warning(w->diags, line->line, line->key_column,
                             "unknown key '%s' in [%s] is ignored, as '?' asks", DIAG_CLIP(name), section);
        else if (elsewhere)
                diag_error(w->diags, line->line, line->key_column,
                           "unknown key '%s' in [%s]; it belongs in [%s]%s", DIAG_CLIP(name), section,
                           elsewhere->section,
                           elsewhere->type ? "" : ", and is not supported by this version of Berth");
        else if (meant)
                diag_error(w->diags, line->line, line->key_column,
                           "unknown key '%s' in [%s] (did you mean '%s'?)", DIAG_CLIP(name), section, meant);
        else
                diag_error(w->diags, line->line, line->key_column,
                           "unknown key '%s' in [%s]; remove it, or call it 'X-%s' to have it ignored",
                           DIAG_CLIP(name), section, DIAG_CLIP(name));
}

/* Tells what is wrong with a value. */
static void bad_value(Walk *w, const Key *key, const char *error, const Line *line) {
        if (error)
                diag_error(w->diags, line->line, line->value_column, "%s=: %s", key->name, error);
        else if (line->value[0] == '\0')
                diag_error(w->diags, line->line, line->value_column, "%s= is empty: expected %s", key->name,
                           key->type->expected);
        else
                diag_error(w->diags, line->line, line->value_column, "%s= is '%s': expected %s", key->name,
                           DIAG_CLIP(line->value), key->type->expected);
}

/* A setting of a key that the table has and this version supports. */
static int known_setting(Walk *w, const Key *key, const Line *line) {
        _cleanup_free_ char *canonical = NULL, *error = NULL;
        Store *store = w->m->store;
        unsigned before = key->list ? 0 : store_place(store, w->store_section, key->name);
        int r;

        if (key->list && line->value[0] == '\0')
                return store_reset(store, w->store_section, key->name, line->line, line->value_column);
        if (before != 0 && place_file(before) == w->file) {
                diag_error(w->diags, line->line, line->key_column,
                           "%s= stands on line %u already; give it once", key->name, place_line(before));
                return 0;
        }
        r = key->type->parse(line->value, &canonical, &error);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                bad_value(w, key, error, line);
                /* A key that was given a wrong value is not a key that is missing. */
                if (store_count(store, w->store_section, key->name) == -ENOENT)
                        return store_reset(store, w->store_section, key->name, line->line,
                                           line->value_column);
                return 0;
        }
        if (before != 0) { /* a drop-in wins over what comes before it */
                r = store_reset(store, w->store_section, key->name, line->line, line->value_column);
                if (r < 0)
                        return r;
        }
        return walk_store(w, key->name, canonical, line);
}

static int key_setting(Walk *w, const char *name, bool optional, const Line *line) {
        const Key *key = key_find(w->section->name, name);

        if (!key) {
                unknown_key(w, name, optional, line);
                return 0;
        }
        if (key->type)
                return known_setting(w, key, line);
        if (optional)
                diag_warning(w->diags, line->line, line->key_column,
                             "%s= in [%s] is not supported by this version of "
                             "Berth and is ignored, as '?' asks",
                             DIAG_CLIP(name), w->section->name);
        else
                diag_error(w->diags, line->line, line->key_column, "%s= in [%s] " NOT_YET, DIAG_CLIP(name),
                           w->section->name);
        return 0;
}

/* A line whose end is an odd backslash would swallow the unit's next line. */
static bool ends_in_backslash(const char *s) {
        size_t n = strlen(s), k = 0;

        while (k < n && s[n - 1 - k] == '\\')
                k++;
        return k % 2 == 1;
}

/* May systemd's directive be passed on? Tells if not. */
static bool pass_allowed(Walk *w, const char *name, const Line *line) {
        const char *section = w->section->name, *instead = policy_refusal(section, name);
        const Key *ours;

        if (streq(section, "Service") && streq(name, "Type") &&
            (streq(line->value, "oneshot") || streq(line->value, "notify")))
                instead = NULL;
        if (instead) {
                diag_error(w->diags, line->line, line->key_column, "%s= may not be set in [%s]: %s", name,
                           section, instead);
                return false;
        }
        /* Passed on, it would be lost. */
        ours = policy_references(name) || policy_shared(name) ? NULL : key_find_elsewhere(name);
        if (ours && ours->type) {
                diag_error(w->diags, line->line, line->key_column,
                           "'%s' is no key of [%s]; it belongs in [%s]", name, section, ours->section);
                return false;
        }
        if (ends_in_backslash(line->value)) {
                diag_error(w->diags, line->line, line->value_column,
                           "%s= ends in a backslash; remove the blanks behind it to continue the line, or write two",
                           name);
                return false;
        }
        return true;
}

static int pass_setting(Walk *w, const char *name, bool optional, const Line *line) {
        _cleanup_free_ char *text = NULL;
        int r;

        if (!pass_allowed(w, name, line))
                return 0;
        if (streq(w->section->name, "Install")) {
                size_t errors = w->diags->errors;

                r = key_setting(w, name, optional, line);
                if (r < 0 || w->diags->errors > errors || !key_find("Install", name))
                        return r;
        }
        if (asprintf(&text, "%s=%s", name, line->value) < 0)
                return -ENOMEM;
        return walk_store(w, "*", text, line);
}

static bool key_well_formed(const char *s) {
        return ascii_alnum(*s) && !(*s >= '0' && *s <= '9') && s[span_alnum(s, "-")] == '\0';
}

static int setting(Walk *w, const Line *line) {
        bool optional = line->key[0] == '?';
        const char *name = line->key + optional;

        if (w->skip)
                return 0;
        if (!w->section) {
                diag_error(w->diags, line->line, line->key_column,
                           "'%s' stands before any section; put [Container] first", DIAG_CLIP(line->key));
                return 0;
        }
        if (startswith(name, "X-"))
                return 0;
        if (!key_well_formed(name)) {
                diag_error(w->diags, line->line, line->key_column, "'%s' is no key: letters, digits and '-'",
                           DIAG_CLIP(line->key));
                return 0;
        }
        return w->section->kind == SECTION_PASS ? pass_setting(w, name, optional, line)
                                                : key_setting(w, name, optional, line);
}

int manifest_directive(const Manifest *m, const char *section, const char *directive, StoreValue *ret) {
        size_t n = strlen(directive);
        StoreValue v;

        for (int i = store_count(m->store, section, "*") - 1; i >= 0; i--)
                if (store_get(m->store, section, "*", (unsigned) i, &v) &&
                    strncmp(v.text, directive, n) == 0 && v.text[n] == '=') {
                        v.text += n + 1;
                        *ret = v;
                        return 0;
                }
        return -ENOENT;
}

bool manifest_sockets(const Manifest *m) {
        return store_count(m->store, "Socket", "*") != -ENOENT;
}

bool manifest_oneshot(const Manifest *m) {
        StoreValue v;

        return manifest_directive(m, "Service", "Type", &v) >= 0 && streq(v.text, "oneshot");
}

/* A check of nothing would be healthy for ever. */
static void check_health(Manifest *m) {
        const char *exec = store_text(m->store, "Health", "Exec");

        if (store_count(m->store, "Health", "*") == -ENOENT)
                return;
        if (store_count(m->store, "Health", "Exec") == -ENOENT || (exec && exec[0] == '\0'))
                diag_error(&m->diags, store_place(m->store, "Health", "*"), 1,
                           "[Health] has no command; add Exec=, or remove the section");
}

static int manifest_check(Manifest *m, const Walk *w) {
        int r;

        check_health(m);
        r = rules_check(m);
        if (r < 0)
                return r;
        return mounts_build(m->store, w->mounts, w->mount_lines, &m->mounts, &m->diags);
}

/* Walks over one file. */
static int walk_fragment(Walk *w, const Fragment *f) {
        Lines lines;
        Line line;
        int r;

        if (!f->data) {
                diag_error(w->diags, place_make(w->file, 0), 0, "%s", f->error);
                return 0;
        }
        w->section = NULL;
        w->skip = false;
        lines_open(&lines, f->data, f->size);
        lines.line = place_make(w->file, 0);
        for (;;) {
                lines_next(&lines, &line, w->diags);
                if (line.kind == LINE_END || w->full)
                        return 0;
                r = line.kind == LINE_SECTION ? enter_section(w, &line) : setting(w, &line);
                if (r < 0)
                        return r;
        }
}

int manifest_parse(Manifest *m, const Fragment *fragments, size_t n) {
        _cleanup_(walk_done) Walk w = { .m = m, .diags = &m->diags };
        int r;

        assert(n > 0 && n - 1 <= MANIFEST_DROPINS_MAX);
        for (; w.file < n; w.file++) {
                r = w.file == 0 ? 0 : strv_append(&m->diags.files, fragments[w.file].path);
                if (r >= 0)
                        r = walk_fragment(&w, &fragments[w.file]);
                if (r < 0)
                        return r;
        }
        /* Of a manifest that cannot be read it is not known what it lacks. */
        r = fragments[0].data ? manifest_check(m, &w) : 0;
        if (r < 0)
                return r;
        return m->diags.failed ? -ENOMEM : 0;
}
