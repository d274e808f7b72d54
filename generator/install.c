/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/install.h"

#include <stdio.h>

#include "common/names.h"
#include "common/strv.h"
#include "generator/specifier.h"
#include "generator/words.h"

/* A manifest that asks for more is a mistake or an attack: each is a directory at every reload. */
#define LINKS_MAX 256

typedef struct Install {
        Manifest *m;
        const World *world;
        const char *unit;   /* the file */
        const char *wanted; /* what targets want: the same, or a template's default instance */
        const Further *further;
        Links *links;
} Install;

void links_done(Links *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->list[i].path);
                free(l->list[i].target);
        }
        free(l->list);
        *l = (Links){ 0 };
}

/* Takes path and target, either of which may be NULL for lack of memory. */
static int links_add(Links *l, char *path, char *target) {
        Link *grown = l->list;

        if (path && target && (l->n & (l->n + 1)) == 0)
                grown = reallocarray(l->list, (l->n + 1) * 2, sizeof(Link));
        if (!path || !target || !grown) {
                free(path);
                free(target);
                return -ENOMEM;
        }
        l->list = grown;
        l->list[l->n++] = (Link){ path, target };
        return 0;
}

static bool links_contain(const Links *l, const char *path) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->list[i].path, path))
                        return true;
        return false;
}

static int add_alias(Install *in, const char *key _unused_, const char *word, const StoreValue *at) {
        _cleanup_free_ char *base = NULL;
        const char *suffix = endswith(word, ".service"), *owner;
        Diags *d = &in->m->diags;

        if (!suffix || !world_unit_name_valid(word) || (strchr(in->unit, '@') && !strchr(word, '@'))) {
                diag_error(d, at->line, at->column,
                           "Alias= has '%s', which is no name of a %s; write NAME%s.service",
                           DIAG_CLIP(word), strchr(in->unit, '@') ? "template service" : "service",
                           strchr(in->unit, '@') ? "@" : "");
                return 0;
        }
        if (streq(word, in->unit) || links_contain(in->links, word))
                return 0;
        base = strndup(word, (size_t) (suffix - word));
        if (!base)
                return -ENOMEM;
        if (name_reserved(base) || in->world->unit_exists(in->world->data, word)) {
                diag_error(d, at->line, at->column,
                           "Alias= has '%s', which would take the place of a unit of the system; choose another name",
                           DIAG_CLIP(word));
                return 0;
        }
        owner = name_valid(base, true) && in->world->manifest_exists(in->world->data, base)
                                ? base
                                : in->world->alias_take(in->world->data, word, in->m->name);
        if (owner) {
                diag_error(d, at->line, at->column,
                           "Alias= has '%s', which the manifest '%s' has already; choose "
                           "another name",
                           DIAG_CLIP(word), owner);
                return 0;
        }
        return links_add(in->links, strdup(word), strdup(in->unit));
}

static int add_wanted(Install *in, const char *key, const char *word, const StoreValue *at) {
        const char *directory = streq(key, "WantedBy")     ? "wants"
                                : streq(key, "RequiredBy") ? "requires"
                                                           : "upholds";
        const char *suffix = in->further->socket && streq(word, "sockets.target") ? ".socket"
                             : in->further->timer && streq(word, "timers.target") ? ".timer"
                                                                                  : ".service";
        char *path = NULL, *target = NULL;

        if (!world_unit_name_valid(word)) {
                diag_error(&in->m->diags, at->line, at->column,
                           "%s= has '%s', which is no name of a unit; write one such as multi-user.target",
                           key, DIAG_CLIP(word));
                return 0;
        }
        if (!in->wanted)
                return 0;
        if (asprintf(&path, "%s.%s/%.*s%s", word, directory, (int) (strlen(in->wanted) - strlen(".service")),
                     in->wanted, suffix) < 0)
                return -ENOMEM;
        if (links_contain(in->links, path)) {
                free(path);
                return 0;
        }
        if (asprintf(&target, "../%.*s%s", (int) (strlen(in->unit) - strlen(".service")), in->unit, suffix) <
            0)
                target = NULL;
        return links_add(in->links, path, target);
}

/* Goes over the words of a list key, specifiers expanded. */
static int add_words(Install *in, const char *key,
                     int (*add)(Install *, const char *, const char *, const StoreValue *)) {
        StoreValue v;
        int r;

        for (unsigned i = 0; store_get(in->m->store, "Install", key, i, &v); i++) {
                _cleanup_strv_ char **words = NULL;
                WordsError error;

                r = words_split(v.text, &words, &error);
                if (r < 0)
                        return r; /* types.c let it in: only memory is left */
                for (size_t j = 0; words && words[j]; j++) {
                        _cleanup_free_ char *word = NULL;

                        if (in->links->n >= LINKS_MAX) {
                                diag_error(&in->m->diags, v.line, v.column,
                                           "%s= makes more than %d links; remove some", key, LINKS_MAX);
                                return 0;
                        }
                        r = specifier_expand(words[j], in->unit, &word);
                        if (r == -EINVAL) {
                                diag_error(&in->m->diags, v.line, v.column,
                                           "%s= has '%s', but only %%n, %%N, %%p, %%i and %%j are known when links "
                                           "are made",
                                           key, DIAG_CLIP(words[j]));
                                continue;
                        }
                        if (r < 0 || (r = add(in, key, word, &v)) < 0)
                                return r;
                }
        }
        return 0;
}

/* What targets want of a template. */
static int find_wanted(Install *in, char **ret) {
        const char *at = strchr(in->unit, '@');
        char name[NAME_LENGTH_MAX + 1];
        StoreValue v;
        bool given = store_get(in->m->store, "Install", "DefaultInstance", 0, &v);
        int n;

        if (!at || at[1] != '.') {
                if (given)
                        diag_error(&in->m->diags, v.line, 1,
                                   "DefaultInstance= has a meaning in a template only, NAME@");
                in->wanted = in->unit;
                return 0;
        }
        if (!given)
                return 0;
        n = snprintf(name, sizeof(name), "%s%s", in->m->name, v.text);
        if (n < 0 || (size_t) n >= sizeof(name) || !name_valid(name, false)) {
                diag_error(&in->m->diags, v.line, v.column,
                           "DefaultInstance= is '%s': expected letters, digits and '-', a letter or digit first, at "
                           "most %d with the name",
                           DIAG_CLIP(v.text), NAME_LENGTH_MAX);
                return 0;
        }
        if (asprintf(ret, "%s.service", name) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        in->wanted = *ret;
        return 0;
}

int install_build(Manifest *m, const World *world, const char *unit, const Further *further, Links *ret) {
        static const char *const keys[] = { "WantedBy", "RequiredBy", "UpheldBy" };
        _cleanup_(links_done) Links links = { 0 };
        _cleanup_free_ char *wanted = NULL;
        Install in = { .m = m, .world = world, .unit = unit, .further = further, .links = &links };
        StoreValue v;
        int r;

        r = find_wanted(&in, &wanted);
        if (r >= 0)
                r = add_words(&in, "Alias", add_alias);
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(keys); i++) {
                r = add_words(&in, keys[i], add_wanted);
                if (!in.wanted && store_get(m->store, "Install", keys[i], 0, &v))
                        diag_warning(&m->diags, v.line, 1,
                                     "%s= of a template does nothing without DefaultInstance=; add it, or a link "
                                     "%sINSTANCE.berth to this file",
                                     keys[i], m->name);
        }
        if (r < 0)
                return r;
        *ret = links;
        links = (Links){ 0 };
        return 0;
}
