/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/set.h"

#include <search.h>
#include <stdio.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "generator/types.h"

#define TEMPLATE_MAX (64 * 1024)

typedef struct Machine {
        const char *name; /* of the manifest; borrowed from lookup */
        char machine[NAME_LENGTH_MAX + 1];
} Machine;

typedef struct Alias {
        char *alias, *name;
} Alias;

struct Set {
        Lookup lookup;
        World world;
        Machine *machines; /* in order; empty if there are no instances, and so nothing can clash */
        size_t n_machines;
        void *aliases;  /* those that were taken: a tree of tsearch(3) */
        bool remembers; /* the service compiled last has such a one */
        bool failed;    /* out of memory in a callback */
};

static void alias_free(void *p) {
        Alias *a = p;

        if (a) {
                free(a->alias);
                free(a->name);
        }
        free(a);
}

static int compare_aliases(const void *a, const void *b) {
        const Alias *x = a, *y = b;

        return strcmp(x->alias, y->alias);
}

Set *set_free(Set *s) {
        if (!s)
                return NULL;
        lookup_done(&s->lookup);
        tdestroy(s->aliases, alias_free);
        free(s->machines);
        free(s);
        return NULL;
}

int set_option(SetOptions *o, const char *arg) {
        const char *value;

        if ((value = startswith(arg, "--root=")))
                o->root = value;
        else if ((value = startswith(arg, "--manifest-path=")))
                o->manifest_path = value;
        else if ((value = startswith(arg, "--unit-path=")))
                o->unit_path = value;
        return value != NULL;
}

static bool foreign(const Set *s, const char *name) {
        char unit[NAME_LENGTH_MAX + sizeof(".service")];

        snprintf(unit, sizeof(unit), "%s.service", name);
        return lookup_foreign(&s->lookup, unit);
}

static bool manifest_exists(void *data, const char *name) {
        const Set *s = data;
        const Source *source = lookup_find(&s->lookup, name);

        return source && source->state == SOURCE_MANIFEST && name_valid(name, true) &&
               !name_reserved(name) && !foreign(s, name);
}

static bool unit_exists(void *data, const char *unit) {
        return lookup_foreign(&((const Set *) data)->lookup, unit);
}

static const char *alias_take(void *data, const char *alias, const char *name) {
        Set *s = data;
        Alias *taken = calloc(1, sizeof(Alias)), **found;

        s->remembers = true;
        if (taken) {
                taken->alias = strdup(alias);
                taken->name = strdup(name);
        }
        found = taken && taken->alias && taken->name ? tsearch(taken, &s->aliases, compare_aliases) : NULL;
        if (found && *found == taken)
                return NULL;
        alias_free(taken);
        s->failed = s->failed || !found;
        return found && !streq((*found)->name, name) ? (*found)->name : NULL;
}

static int template_read(void *data, const char *name, char **ret, size_t *ret_size) {
        static const char *const directories[] = { "/etc/berth/nspawn-templates",
                                                   BERTH_DATADIR "/nspawn-templates" };
        const Set *s = data;
        int r = -ENOENT;

        for (size_t i = 0; r == -ENOENT && i < ARRAY_LEN(directories); i++) {
                _cleanup_free_ char *path = NULL;
                _cleanup_close_ int fd = -EBADF;

                if (asprintf(&path, "%s/%s.nspawn-args", directories[i], name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                fd = r = open_regular_in_root(s->lookup.root_fd, path);
                if (r >= 0)
                        r = read_fd(fd, TEMPLATE_MAX, ret, ret_size);
        }
        return r;
}

static int compare_machines(const void *a, const void *b) {
        const Machine *x = a, *y = b;
        int r = strcmp(x->machine, y->machine);

        return r != 0 ? r : strcmp(x->name, y->name);
}

static const char *machine_taken(void *data, const char *name) {
        const Set *s = data;
        size_t low = 0, high = s->n_machines;
        Machine key = { .name = "" };

        name_to_machine(name, key.machine);
        while (low < high) { /* the first of that machine */
                size_t middle = low + (high - low) / 2;

                if (compare_machines(&s->machines[middle], &key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < s->n_machines && streq(s->machines[low].machine, key.machine) &&
                                               strcmp(s->machines[low].name, name) < 0
                               ? s->machines[low].name
                               : NULL;
}

/* NAME-INSTANCE is what a machine is called: "web@1" and "web-1" clash. Templates make none themselves. */
static int collect_machines(Set *s) {
        bool instances = false;

        for (size_t i = 0; i < s->lookup.n && !instances; i++)
                instances = strchr(s->lookup.list[i].name, '@');
        if (!instances)
                return 0;
        s->machines = calloc(s->lookup.n, sizeof(Machine));
        if (!s->machines)
                return -ENOMEM;
        for (size_t i = 0; i < s->lookup.n; i++) {
                Machine *m = &s->machines[s->n_machines];

                m->name = s->lookup.list[i].name;
                if (s->lookup.list[i].state != SOURCE_MANIFEST || !name_valid(m->name, false))
                        continue;
                name_to_machine(m->name, m->machine);
                s->n_machines++;
        }
        if (s->n_machines > 1)
                qsort(s->machines, s->n_machines, sizeof(Machine), compare_machines);
        return 0;
}

int set_open(const SetOptions *o, Set **ret) {
        _cleanup_set_ Set *s = NULL;
        int r;

        s = calloc(1, sizeof(Set));
        if (!s)
                return log_oom();
        s->lookup.root_fd = -EBADF;
        s->world = (World){ s, manifest_exists, unit_exists, alias_take, machine_taken, template_read };
        r = lookup_open(&s->lookup, o->root ? o->root : "/",
                        o->manifest_path ? o->manifest_path : LOOKUP_MANIFEST_PATH,
                        o->unit_path ? o->unit_path : SYSTEM_UNIT_PATH);
        if (r >= 0)
                r = collect_machines(s);
        if (r < 0)
                return r == -ENOMEM ? log_oom() : r;
        *ret = TAKE_PTR(s);
        return 0;
}

const Lookup *set_lookup(const Set *s) {
        return &s->lookup;
}

int set_name_wanted(const Set *s, const char *name, char **reterr) {
        char meant[NAME_LENGTH_MAX + 1];
        int r;

        if (!name_valid(name, true)) {
                name_suggest(name, meant);
                if (meant[0] != '\0')
                        r = type_complain(
                                        reterr,
                                        "'%s' cannot be a container's name: letters, digits and '-', at most %d; "
                                        "call the file '%s.berth'",
                                        DIAG_CLIP(name), NAME_LENGTH_MAX, meant);
                else
                        r = type_complain(reterr,
                                          "'%s' cannot be a container's name: letters, digits and '-', at "
                                          "most %d; rename the file",
                                          DIAG_CLIP(name), NAME_LENGTH_MAX);
        } else if (name_reserved(name))
                r = type_complain(reterr,
                                  "the name '%s' is reserved for the system; call the file 'my-%s.berth'",
                                  name, name);
        else if (foreign(s, name))
                r = type_complain(
                                reterr,
                                "systemd has a unit '%s.service' already, which a manifest must not replace; rename "
                                "the file",
                                name);
        else
                return 1;
        return r == -ENOMEM ? r : 0;
}

bool set_masks_instance(const Set *s, const Source *source) {
        const char *at = strchr(source->name, '@');
        char template[NAME_LENGTH_MAX + 2];

        if (source->state != SOURCE_MASKED || !at || !name_valid(source->name, false))
                return false;
        snprintf(template, sizeof(template), "%.*s", (int) (at - source->name) + 1, source->name);
        return manifest_exists((void *) (uintptr_t) s, template) && !foreign(s, source->name);
}

int set_wanted(const Set *s, const Source *source, char **reterr) {
        *reterr = NULL;
        return source->state == SOURCE_MANIFEST ? set_name_wanted(s, source->name, reterr) : 0;
}

/* The files of a manifest, while they are read. */
typedef struct Files {
        Fragment *list; /* owns what is read */
        size_t n;
} Files;

static void files_done(Files *f) {
        for (size_t i = 0; i < f->n; i++)
                free(f->list[i].data);
        free(f->list);
}

int set_compile(Set *s, const Source *source, const char *name, const char *path, Manifest *m,
                Service *ret) {
        _cleanup_(files_done) Files files = { 0 };
        _cleanup_strv_ char **errors = NULL;
        _cleanup_free_ const DropIn **dropins = NULL;
        size_t n = 0;
        int r;

        s->remembers = false;
        r = manifest_init(m, name, path ? path : source->path);
        if (r >= 0)
                r = dropins_find(&s->lookup.dropins, name, &dropins, &n);
        if (r < 0)
                return r;
        if (n > MANIFEST_DROPINS_MAX) {
                diag_error(&m->diags, 0, 0, "more than %u drop-ins are meant for it; remove some",
                           MANIFEST_DROPINS_MAX);
                n = 0;
        }
        files.list = calloc(n + 1, sizeof(Fragment));
        if (!files.list)
                return -ENOMEM;
        for (; files.n <= n; files.n++) {
                Fragment *f = &files.list[files.n];
                const char *error = NULL;

                if (files.n > 0) {
                        f->path = dropins[files.n - 1]->path;
                        r = lookup_read_dropin(&s->lookup, dropins[files.n - 1], &f->data, &f->size, &error);
                } else
                        r = path ? lookup_read_path(path, &f->data, &f->size, &error)
                                 : lookup_read(&s->lookup, source, &f->data, &f->size, &error);
                if (r == -ENOMEM)
                        return r;
                if (r < 0) {
                        r = strv_appendf(&errors, "%s (%s)", error, strerrorname_np(-r));
                        if (r < 0)
                                return r;
                        f->error = errors[strv_length(errors) - 1];
                }
        }
        r = manifest_parse(m, files.list, files.n);
        if (r >= 0)
                r = translate(m, &s->world, ret);
        return r < 0 || s->failed ? -ENOMEM : 0;
}

int set_each_orphan(Set *s, void (*tell)(void *data, const char *path), void *data) {
        DropIns *d = &s->lookup.dropins;

        for (size_t i = 0; i < s->lookup.n; i++) {
                int r = s->lookup.list[i].state == SOURCE_MANIFEST ? dropins_mark(d, s->lookup.list[i].name)
                                                                   : 0;

                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < d->n; i++)
                if (dropins_orphan(&d->list[i]))
                        tell(data, d->list[i].path);
        return 0;
}

bool set_remembers(const Set *s) {
        return s->remembers;
}
