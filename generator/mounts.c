/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/mounts.h"

#include <stdio.h>

#include "common/strv.h"
#include "generator/text.h"
#include "generator/types.h"
#include "generator/words.h"

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

/* Tmpfs=, each word one. */
static int build_tmpfs(Build *b) {
        StoreValue v;
        int r;

        for (unsigned i = 0; store_get(b->store, "Container", "Tmpfs", i, &v); i++) {
                _cleanup_strv_ char **words = NULL;
                WordsError error;

                r = words_split(v.text, &words, &error);
                for (size_t j = 0; r >= 0 && words && words[j]; j++) {
                        _cleanup_(mount_done) Mount m = { 0 };
                        _cleanup_free_ char *complaint = NULL;

                        r = mount_parse_tmpfs(words[j], &m, &complaint);
                        assert(r != -EINVAL); /* types-process.c let it in */
                        m.line = v.line;
                        if (r >= 0)
                                r = build_add(b, &m);
                }
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

/* A complaint of a check belongs to a key's line. By address: the check is often an argument beside it, and which of
 * two arguments is evaluated first nobody says. Returns 0 or -ENOMEM. */
static int tell(Build *b, const char *section, const char *key, unsigned line, int r, char *const *error) {
        if (r == -EINVAL && *error)
                diag_error(b->diags, line_of(b->store, section, key, line), 1, "%s=: %s", key, *error);
        return r == -ENOMEM ? r : 0;
}

/* What a type of mount is made from, and which keys mean nothing with it. */
typedef struct Kind {
        const char *type;
        const char *source; /* what to add as Source=; NULL: it has none */
        int (*check_source)(const char *source, char **reterr); /* of a Source= */
        bool directory;                                         /* the source itself is never a file */
        struct {
                const char *key, *hint;
        } without[5];
} Kind;

static int check_bind(const char *source, char **reterr) {
        int r = mount_check_specifiers(source, reterr);

        return r < 0 ? r : type_check_path(source, reterr);
}

/* clang-format off */
#define NO_OPTIONS   { "Options", "they are of Type=tmpfs only" }
#define NO_RECURSIVE { "Recursive", "nothing is mounted below it; remove it" }
static const Kind kinds[] = {
        { "volume", "the name of the volume", mount_check_volume, true, { NO_OPTIONS, NO_RECURSIVE } },
        { "bind", "the absolute path to mount", check_bind, false, { NO_OPTIONS } },
        { "assets", "the name of the assets", mount_check_assets, true, { NO_OPTIONS, NO_RECURSIVE } },
        { "pointer", "another container's volume, OTHER:VOLUME", mount_check_pointer, true,
          { NO_OPTIONS, NO_RECURSIVE, { "Create", "the other container makes its volume; remove it" } } },
        { "backup", "the name of the backup", mount_check_volume, true, { NO_OPTIONS, NO_RECURSIVE } },
        { "tmpfs", NULL, NULL, true,
          { NO_RECURSIVE, { "IDMap", "use Options=uid=...,gid=..." }, { "FileType", "it is a directory" },
            { "Create", "it has no source" }, { "Subpath", "it has no source" } } },
};
/* clang-format on */

static const Kind *find_kind(const char *type) {
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
                if (streq(kinds[i].type, type))
                        return &kinds[i];
        assert(false); /* types.c let it in */
        return NULL;
}

static int check_source(Build *b, const char *section, const char *name, const Mount *m, const Kind *kind) {
        _cleanup_free_ char *error = NULL, *wrong = NULL;
        int r;

        if (!kind->source) {
                refuse_key(b, section, "Source", m, "remove it");
                return 0;
        }
        if (m->source)
                r = tell(b, section, "Source", m->line, kind->check_source(m->source, &error), &error);
        else {
                if (store_count(b->store, section, "Source") != 0) /* 0: told to be wrong */
                        diag_error(b->diags, m->line, 1, "[Mount %s] has no Source=; add %s",
                                   DIAG_CLIP(name), kind->source);
                r = 0;
        }
        if (r >= 0 && m->subpath)
                r = tell(b, section, "Subpath", m->line, mount_check_subpath(m->subpath, &wrong), &wrong);
        return r;
}

/* What holds between the keys of one mount. */
static void check_keys(Build *b, const char *section, const Mount *m, const Kind *kind) {
        for (size_t i = 0; i < ARRAY_LEN(kind->without) && kind->without[i].key; i++)
                refuse_key(b, section, kind->without[i].key, m, kind->without[i].hint);
        if (streq(m->type, "assets") && m->read_only && streq(m->read_only, "no"))
                diag_error(b->diags, line_of(b->store, section, "ReadOnly", m->line), 1,
                           "ReadOnly=no: assets are always read-only; remove it, or use Type=volume");
        if (kind->directory && kind->source && m->file_type && streq(m->file_type, "file") && !m->subpath)
                diag_error(b->diags, line_of(b->store, section, "FileType", m->line), 1,
                           "FileType=file: the source is a directory; name a file in it with Subpath=");
}

static int check_section(Build *b, const char *section, const char *name, const Mount *m) {
        _cleanup_free_ char *error = NULL, *joined = NULL;
        const Kind *kind = find_kind(m->type);
        int r = 0;

        if (m->target)
                r = tell(b, section, "Target", m->line, mount_check_target(m->target, &error), &error);
        else if (store_count(b->store, section, "Target") != 0)
                diag_error(b->diags, m->line, 1, "[Mount %s] has no Target=; add an absolute path",
                           DIAG_CLIP(name));
        if (r >= 0)
                r = check_source(b, section, name, m, kind);
        if (r < 0)
                return r;
        check_keys(b, section, m, kind);
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
        const struct {
                const char *key;
                char **field;
        } fields[] = {
                { "Type", &m.type },          { "Source", &m.source },   { "Target", &m.target },
                { "ReadOnly", &m.read_only }, { "Create", &m.create },   { "FileType", &m.file_type },
                { "Options", &m.options },    { "Subpath", &m.subpath }, { "Recursive", &m.recursive },
        };
        size_t before = b->diags->errors;
        int r;

        snprintf(section, sizeof(section), "Mount %u", number);
        for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
                r = copy_key(b->store, section, fields[i].key, fields[i].field);
                if (r < 0)
                        return r;
        }
        r = copy_id_map(b->store, section, &m.id_map);
        if (r < 0)
                return r;
        if (!m.type) {
                if (store_count(b->store, section, "Type") != 0) /* 0: told to be wrong */
                        diag_error(b->diags, line, 1, "[Mount %s] has no Type=; add %s", DIAG_CLIP(name),
                                   type_mount_type.expected);
                return 0;
        }
        r = check_section(b, section, name, &m);
        if (r < 0 || b->diags->errors > before || !m.target || (!m.source && find_kind(m.type)->source))
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
        if (r >= 0)
                r = build_tmpfs(&b);
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
