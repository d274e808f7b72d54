/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/dropins.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/manifests.h"
#include "common/names.h"
#include "common/utf8.h"

#define SUFFIX  ".berth.d"
#define FOR_ALL "berth.d"

static void directory_done(DropInDirectory *d) {
        for (size_t i = 0; i < d->n; i++)
                free(d->list[i].path);
        free(d->list);
        free(d->path);
        *d = (DropInDirectory){ 0 };
}

void dropins_done(DropIns *d) {
        for (size_t i = 0; i < d->n; i++)
                directory_done(&d->list[i]);
        free(d->list);
        *d = (DropIns){ 0 };
}

bool dropins_name_fits(const char *name) {
        return name[0] != '.' && (endswith(name, SUFFIX) || streq(name, FOR_ALL));
}

/* Makes it text of one line, since it goes into units. Says whether it was. */
static bool clean(char *s) {
        bool good = utf8_valid_prefix(s, strlen(s)) == strlen(s);

        for (char *c = s; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f || (!good && (unsigned char) *c >= 0x80)) {
                        *c = '?';
                        good = false;
                }
        return good;
}

/* Adds one file, or with name NULL the directory itself. */
static int add_file(DropInDirectory *d, const char *name, bool masked, const char *error) {
        DropIn made = { .error = error, .masked = masked }, *grown;

        if ((d->n & (d->n + 1)) == 0) {
                grown = reallocarray(d->list, (d->n + 1) * 2, sizeof(DropIn));
                if (!grown)
                        return -ENOMEM;
                d->list = grown;
        }
        if (asprintf(&made.path, "%s%s%s", d->path, name ? "/" : "", name ? name : "") < 0)
                return -ENOMEM;
        if (!clean(made.path) && !error)
                made.error = "has a name that is no text of one line; rename it";
        made.name = strrchr(made.path, '/') + 1;
        d->list[d->n++] = made;
        return 0;
}

/* systemd passes over what is hidden; names of editors' backups do not end in ".conf". */
static bool is_dropin(const char *name) {
        return name[0] != '.' && endswith(name, ".conf");
}

static int read_directory(DropInDirectory *d, int fd) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r, k;

        r = directory_open(fd, ".", 0, &dir);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return add_file(d, NULL, false, "cannot be read");
        while (r >= 0 && (k = directory_next(dir, &entry)) != 0)
                if (k < 0)
                        return add_file(d, NULL, false, "cannot be read");
                else if (is_dropin(entry->d_name))
                        r = add_file(d, entry->d_name,
                                     entry->d_type != DT_REG && manifests_is_mask(fd, entry->d_name), NULL);
        return r;
}

/* The words for a directory that cannot be opened. */
static const char *describe(int error) {
        switch (error) {
        case -ENOENT:
                return "is a link to nothing; mend or remove it";
        case -ELOOP:
                return "is a link that leads in a circle; mend or remove it";
        case -EACCES:
        case -EPERM:
                return "may not be read; change its mode";
        case -ENOTDIR:
                return "is no directory; rename or remove it";
        default:
                return "cannot be opened";
        }
}

static int compare_names(const void *a, const void *b) {
        const DropIn *x = a, *y = b;

        return strcmp(x->name, y->name);
}

int dropins_add(DropIns *d, int root_fd, const char *path, size_t order, const char *name) {
        _cleanup_(directory_done) DropInDirectory made = { .order = order };
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (d->n_orders <= order)
                d->n_orders = order + 1;
        if (asprintf(&made.path, "%s/%s", path, name) < 0) {
                made.path = NULL;
                return -ENOMEM;
        }
        made.name = strrchr(made.path, '/') + 1;
        fd = open_in_root(root_fd, made.path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
        r = fd >= 0 ? read_directory(&made, fd) : add_file(&made, NULL, false, describe(fd));
        if (r < 0 || made.n == 0)
                return r;
        if ((d->n & (d->n + 1)) == 0) {
                DropInDirectory *grown = reallocarray(d->list, (d->n + 1) * 2, sizeof(DropInDirectory));

                if (!grown)
                        return -ENOMEM;
                d->list = grown;
        }
        qsort(made.list, made.n, sizeof(DropIn), compare_names);
        d->list[d->n++] = made;
        made = (DropInDirectory){ 0 };
        return 0;
}

static int compare_directories(const void *a, const void *b) {
        const DropInDirectory *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : x->order < y->order ? -1 : x->order > y->order;
}

void dropins_sort(DropIns *d) {
        if (d->n > 1)
                qsort(d->list, d->n, sizeof(DropInDirectory), compare_directories);
}

/* The names of the directories that apply to a manifest, from the most special to the most general. */
typedef struct Scopes {
        char (*list)[NAME_LENGTH_MAX + sizeof(SUFFIX)];
        size_t n;
        bool failed;
} Scopes;

static void scopes_add(Scopes *s, const char *prefix, size_t n, const char *at) {
        if ((s->n & (s->n + 1)) == 0) {
                void *grown = reallocarray(s->list, (s->n + 1) * 2, sizeof(*s->list));

                if (!grown) {
                        s->failed = true;
                        return;
                }
                s->list = grown;
        }
        snprintf(s->list[s->n++], sizeof(*s->list), "%.*s%s" SUFFIX, (int) n, prefix, at);
}

/* Where the next shorter prefix ends, that of "a-b" and of "a-b-" behind "a-"; 0 if there is none. */
static size_t chop(const char *name, size_t n) {
        if (n > 0 && name[n - 1] == '-')
                n--;
        while (n > 0 && name[n - 1] != '-')
                n--;
        return n > 1 ? n : 0;
}

/* As systemd has it (tried, 252 and 257): the name, its template, what is left of the name when it is cut at its
 * dashes; of an instance all of it again for each cut. */
static void scopes_collect(Scopes *s, const char *name) {
        size_t prefix = strcspn(name, "@");
        const char *at = name + prefix;
        bool instance = at[0] != '\0' && at[1] != '\0';

        for (size_t n = prefix; n > 0 && !s->failed; n = instance ? chop(name, n) : 0) {
                scopes_add(s, name, n, at);
                if (instance)
                        scopes_add(s, name, n, "@");
                for (size_t k = chop(name, n); k > 0 && !s->failed; k = chop(name, k))
                        scopes_add(s, name, k, "");
        }
}

/* What applies, while it is collected. */
typedef struct Found {
        const DropIn **list;
        size_t n;
        bool failed;
} Found;

static void found_add(Found *f, const DropInDirectory *d) {
        for (size_t i = 0; i < d->n && !f->failed; i++) {
                if ((f->n & (f->n + 1)) == 0) {
                        const DropIn **grown = reallocarray(f->list, (f->n + 1) * 2, sizeof(const DropIn *));

                        if (!grown) {
                                f->failed = true;
                                return;
                        }
                        f->list = grown;
                }
                f->list[f->n++] = &d->list[i];
        }
}

/* The directory of that name in the directory of manifests of that precedence, or NULL. */
static const DropInDirectory *find_directory(const DropIns *d, const char *name, size_t order) {
        DropInDirectory key = { .name = name, .order = order };

        return bsearch(&key, d->list, d->n, sizeof(DropInDirectory), compare_directories);
}

static void collect(const DropIns *d, const Scopes *scopes, Found *found) {
        const DropInDirectory *directory;

        for (size_t order = 0; order < d->n_orders; order++)
                for (size_t i = 0; i < scopes->n; i++)
                        if ((directory = find_directory(d, scopes->list[i], order)))
                                found_add(found, directory);
        for (size_t order = 0; order < d->n_orders; order++)
                if ((directory = find_directory(d, FOR_ALL, order)))
                        found_add(found, directory);
}

typedef struct Rank {
        const DropIn *dropin;
        size_t rank;
} Rank;

static int compare_ranks(const void *a, const void *b) {
        const Rank *x = a, *y = b;
        int r = strcmp(x->dropin->name, y->dropin->name);

        return r != 0 ? r : x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Of each file name the first one that was found holds, and they hold in the order of their names. */
static int sort_found(Found *f) {
        _cleanup_free_ Rank *ranks = calloc(f->n, sizeof(Rank));
        size_t n = 0;

        if (!ranks)
                return -ENOMEM;
        for (size_t i = 0; i < f->n; i++)
                ranks[i] = (Rank){ f->list[i], i };
        qsort(ranks, f->n, sizeof(Rank), compare_ranks);
        for (size_t i = 0; i < f->n; i++) {
                const DropIn *dropin = ranks[i].dropin;

                if (i > 0 && streq(dropin->name, ranks[i - 1].dropin->name) && !dropin->error)
                        continue;
                if (!dropin->masked)
                        f->list[n++] = dropin;
        }
        f->n = n;
        return 0;
}

int dropins_mark(DropIns *d, const char *manifest) {
        Scopes scopes = { 0 };

        if (d->n > 0)
                scopes_collect(&scopes, manifest);
        for (size_t i = 0; i < scopes.n && !scopes.failed; i++)
                for (size_t order = 0; order < d->n_orders; order++) {
                        /* d is not const */
                        DropInDirectory *directory = (DropInDirectory *) (uintptr_t) find_directory(
                                        d, scopes.list[i], order);

                        if (directory)
                                directory->used = true;
                }
        free(scopes.list);
        return scopes.failed ? -ENOMEM : 0;
}

bool dropins_orphan(const DropInDirectory *d) {
        return !d->used && !streq(d->name, FOR_ALL);
}

int dropins_find(const DropIns *d, const char *manifest, const DropIn ***ret, size_t *ret_n) {
        Scopes scopes = { 0 };
        Found found = { 0 };
        int r = 0;

        if (d->n > 0)
                scopes_collect(&scopes, manifest);
        if (scopes.n > 0 && !scopes.failed)
                collect(d, &scopes, &found);
        if (scopes.failed || found.failed)
                r = -ENOMEM;
        else if (found.n > 0)
                r = sort_found(&found);
        free(scopes.list);
        if (r < 0 || found.n == 0) {
                free(found.list);
                found = (Found){ 0 };
        }
        if (r < 0)
                return r;
        *ret = found.list;
        *ret_n = found.n;
        return 0;
}
