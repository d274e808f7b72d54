/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/references.h"

#include "common/strv.h"

typedef struct References {
        Pass *pass;
        char **required, **wanted;
} References;

static void references_done(References *r) {
        strv_free(r->required);
        strv_free(r->wanted);
}

/* "web@" refers to itself as "web@%i". */
static bool is_self(const Manifest *m, const char *name) {
        const char *instance = startswith(name, m->name);

        return instance && (instance[0] == '\0' || (endswith(m->name, "@") && streq(instance, "%i")));
}

/* Takes name, which stands in the value of key at that place, into v. */
static int refer(References *r, const char *key, const char *name, unsigned line, unsigned column,
                 char ***v) {
        Manifest *m = r->pass->m;
        int k;

        if (is_self(m, name)) {
                diag_error(&m->diags, line, column,
                           "%s= names '%s', which is this manifest itself; name another", key,
                           DIAG_CLIP(name));
                return 0;
        }
        k = pass_manifest_exists(r->pass, name);
        if (k < 0)
                return k;
        if (k == 0) {
                diag_error(&m->diags, line, column,
                           "%s= names '%s', but there is no manifest '%s.berth'; add it, or name another",
                           key, DIAG_CLIP(name), DIAG_CLIP(name));
                return 0;
        }
        return strv_contains(*v, name) ? 0 : strv_append(v, name);
}

static int refer_mode(References *r) {
        const char *other;
        StoreValue v;

        if (!store_get(r->pass->m->store, "Network", "Mode", 0, &v))
                return 0;
        other = startswith(v.text, "join:");
        return other ? refer(r, "Mode", other, v.line, v.column, &r->required) : 0;
}

static int refer_pointers(References *r) {
        const Mounts *mounts = &r->pass->m->mounts;

        for (size_t i = 0; i < mounts->n; i++) {
                const Mount *mount = &mounts->list[i];
                _cleanup_free_ char *name = NULL;
                int k;

                if (!streq(mount->type, "pointer"))
                        continue;
                name = strndup(mount->source, strcspn(mount->source, ":"));
                k = !name ? -ENOMEM : refer(r, "Source", name, mount->line, 1, &r->required);
                if (k < 0)
                        return k;
        }
        return 0;
}

static int refer_links(References *r) {
        StoreValue v;

        for (unsigned i = 0; store_get(r->pass->m->store, "Network", "Link", i, &v); i++) {
                _cleanup_free_ char *copy = strdup(v.text);
                char *rest = copy, *word;

                if (!copy)
                        return -ENOMEM;
                while ((word = strsep(&rest, " "))) {
                        int k;

                        word[strcspn(word, ":")] = '\0';
                        k = refer(r, "Link", word, v.line, v.column, &r->wanted);
                        if (k < 0)
                                return k;
                }
        }
        return 0;
}

static void add(Text *t, const char *directive, char *const *names) {
        for (size_t i = 0; names && names[i]; i++)
                text_addf(t, "%s%s.service", i > 0 ? " " : directive, names[i]);
        if (names)
                text_add(t, "\n");
}

int references_add(Pass *p) {
        _cleanup_(references_done) References r = { .pass = p };
        int k;

        k = refer_mode(&r);
        if (k >= 0)
                k = refer_pointers(&r);
        if (k >= 0)
                k = refer_links(&r);
        if (k < 0)
                return k;
        add(p->text, "Requires=", r.required);
        add(p->text, "Wants=", r.wanted);
        add(p->text, "After=", r.required);
        add(p->text, "After=", r.wanted);
        return 0;
}
