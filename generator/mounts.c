/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/mounts.h"

#include <stdio.h>

#include "generator/text.h"
#include "generator/types.h"

void mounts_done(Mounts *m) {
        for (size_t i = 0; i < m->n; i++)
                mount_done(&m->list[i]);
        free(m->list);
        *m = (Mounts){ 0 };
}

typedef struct Build {
        const Store *store;
        Mounts *mounts;
        Diags *diags;
} Build;

static int compare_mounts(const void *a, const void *b) {
        const Mount *x = a, *y = b;

        return x->line < y->line ? -1 : x->line > y->line;
}

/* Takes what the mount owns. */
static int build_add(Build *b, Mount *m) {
        Mount *grown;

        if ((b->mounts->n & (b->mounts->n + 1)) == 0) {
                grown = reallocarray(b->mounts->list, (b->mounts->n + 1) * 2, sizeof(Mount));
                if (!grown)
                        return -ENOMEM;
                b->mounts->list = grown;
        }
        b->mounts->list[b->mounts->n++] = *m;
        *m = (Mount){ 0 };
        return 0;
}

static int build_volumes(Build *b) {
        StoreValue v;
        int r;

        for (unsigned i = 0; store_get(b->store, "Container", "Volume", i, &v); i++) {
                _cleanup_(mount_done) Mount m = { 0 };
                _cleanup_free_ char *error = NULL;

                r = mount_parse_volume(v.text, &m, &error);
                if (r == -ENOMEM)
                        return r;
                assert(r >= 0); /* types.c let it in */
                m.line = v.line;
                r = build_add(b, &m);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int copy_key(const Store *store, const char *section, const char *key, char **ret) {
        const char *text = store_text(store, section, key);

        if (!text)
                return 0;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

/* Joins the lists of a repeated IDMap=. */
static int copy_id_map(const Store *store, const char *section, char **ret) {
        _cleanup_text_ Text t = { 0 };
        StoreValue v;

        for (unsigned i = 0; store_get(store, section, "IDMap", i, &v); i++)
                text_addf(&t, "%s%s", i > 0 ? " " : "", v.text);
        return t.size == 0 && !t.failed ? 0 : text_take(&t, ret, NULL);
}

/* Where a key stands, for an error about it. */
static unsigned line_of(const Store *store, const char *section, const char *key, unsigned otherwise) {
        StoreValue v;

        return store_get(store, section, key, 0, &v) ? v.line : otherwise;
}

/* Tells of a key that this type of mount does not have. */
static void refuse_key(Build *b, const char *section, const char *key, const Mount *m, const char *hint) {
        if (store_count(b->store, section, key) > 0)
                diag_error(b->diags, line_of(b->store, section, key, m->line), 1,
                           "%s= has no meaning with Type=%s; %s", key, m->type, hint);
}

/* A complaint of a check belongs to a key's line. Returns 0 or -ENOMEM. */
static int tell(Build *b, const char *section, const char *key, unsigned line, int r, const char *error) {
        if (r == -EINVAL && error)
                diag_error(b->diags, line_of(b->store, section, key, line), 1, "%s=: %s", key, error);
        return r == -ENOMEM ? r : 0;
}

static int check_source(Build *b, const char *section, const char *name, const Mount *m) {
        _cleanup_free_ char *error = NULL;
        int r;

        if (streq(m->type, "tmpfs")) {
                refuse_key(b, section, "Source", m, "remove it");
                return 0;
        }
        if (!m->source) {
                diag_error(b->diags, m->line, 1, "[Mount %s] has no Source=; add %s", DIAG_CLIP(name),
                           streq(m->type, "bind") ? "the absolute path to mount" : "the name of the volume");
                return 0;
        }
        r = streq(m->type, "bind") ? mount_check_specifiers(m->source, &error)
                                   : mount_check_volume(m->source, &error);
        if (r >= 0 && streq(m->type, "bind"))
                r = type_check_path(m->source, &error);
        return tell(b, section, "Source", m->line, r, error);
}

static int check_section(Build *b, const char *section, const char *name, const Mount *m) {
        _cleanup_free_ char *error = NULL, *joined = NULL;
        int r = 0;

        if (!m->target)
                diag_error(b->diags, m->line, 1, "[Mount %s] has no Target=; add an absolute path",
                           DIAG_CLIP(name));
        else
                r = tell(b, section, "Target", m->line, mount_check_target(m->target, &error), error);
        if (r < 0)
                return r;
        r = check_source(b, section, name, m);
        if (r < 0)
                return r;
        if (streq(m->type, "tmpfs")) {
                refuse_key(b, section, "IDMap", m, "use Options=uid=...,gid=...");
                refuse_key(b, section, "FileType", m, "it is a directory");
                refuse_key(b, section, "Create", m, "it has no source");
        } else
                refuse_key(b, section, "Options", m, "it is of Type=tmpfs only");
        if (m->id_map) { /* each line was looked at alone; together they may overlap */
                _cleanup_free_ char *overlap = NULL;

                r = mount_parse_id_map(m->id_map, &joined, &overlap);
                if (r == -EINVAL)
                        diag_error(b->diags, line_of(b->store, section, "IDMap", m->line), 1, "IDMap=: %s",
                                   overlap ? overlap : "'auto' stands alone");
        }
        return r == -ENOMEM ? r : 0;
}

static int build_section(Build *b, unsigned number, const char *name, unsigned line) {
        _cleanup_(mount_done) Mount m = { .line = line };
        char section[32];
        size_t before = b->diags->errors;
        int r;

        snprintf(section, sizeof(section), "Mount %u", number);
        r = copy_key(b->store, section, "Type", &m.type);
        if (r >= 0)
                r = copy_key(b->store, section, "Source", &m.source);
        if (r >= 0)
                r = copy_key(b->store, section, "Target", &m.target);
        if (r >= 0)
                r = copy_key(b->store, section, "ReadOnly", &m.read_only);
        if (r >= 0)
                r = copy_key(b->store, section, "Create", &m.create);
        if (r >= 0)
                r = copy_key(b->store, section, "FileType", &m.file_type);
        if (r >= 0)
                r = copy_key(b->store, section, "Options", &m.options);
        if (r >= 0)
                r = copy_id_map(b->store, section, &m.id_map);
        if (r < 0)
                return r;
        if (!m.type) {
                if (store_count(b->store, section, "Type") != 0) /* 0: told to be wrong */
                        diag_error(b->diags, line, 1, "[Mount %s] has no Type=; add volume, bind or tmpfs",
                                   DIAG_CLIP(name));
                return 0;
        }
        r = check_section(b, section, name, &m);
        if (r < 0 || b->diags->errors > before)
                return r;
        return build_add(b, &m);
}

/* Are two absolute paths the same, but for doubled and trailing slashes? */
static bool same_path(const char *a, const char *b) {
        for (;;) {
                size_t n, m;

                a += strspn(a, "/");
                b += strspn(b, "/");
                n = strcspn(a, "/");
                m = strcspn(b, "/");
                if (n != m || memcmp(a, b, n) != 0)
                        return false;
                if (n == 0)
                        return true;
                a += n;
                b += n;
        }
}

/* The helper mounts parents before what lies below them; two mounts on one target would hide each other. */
static void check_targets(const Build *b) {
        for (size_t i = 1; i < b->mounts->n; i++)
                for (size_t j = 0; j < i; j++) {
                        const Mount *later = &b->mounts->list[i], *earlier = &b->mounts->list[j];

                        if (!same_path(earlier->target, later->target))
                                continue;
                        diag_error(b->diags, later->line, 1,
                                   "the target '%s' is taken by %s already; choose another",
                                   DIAG_CLIP(later->target),
                                   DIAG_PLACE(b->diags, earlier->line, later->line));
                        break;
                }
}

int mounts_build(const Store *store, char *const *sections, const unsigned *lines, Mounts *ret,
                 Diags *diags) {
        _cleanup_(mounts_done) Mounts mounts = { 0 };
        Build b = { .store = store, .mounts = &mounts, .diags = diags };
        int r;

        r = build_volumes(&b);
        if (r < 0)
                return r;
        for (unsigned i = 0; sections && sections[i]; i++) {
                r = build_section(&b, i, sections[i], lines[i]);
                if (r < 0)
                        return r;
        }
        if (mounts.n > 1)
                qsort(mounts.list, mounts.n, sizeof(Mount), compare_mounts);
        check_targets(&b);
        *ret = mounts;
        mounts = (Mounts){ 0 };
        return 0;
}
