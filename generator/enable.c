/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "berth enable" and "berth disable": systemctl cannot enable what a generator makes, so that a drop-in of the
 * manifest does, NAME.berth.d/50-enable.conf with an [Install]. It holds from the next daemon-reload on, which is
 * the administrator's to run. */

#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "generator/choice.h"
#include "generator/tool.h"

#define DROPIN "50-enable.conf"
#define DROPIN_TEXT \
        "# Written by berth enable; berth disable removes it.\n[Install]\nWantedBy=multi-user.target\n"
#define SUFFIX ".berth"

typedef struct Enable {
        Set *set;
        char *directory;    /* of the administrator's manifests; owned */
        const char *inside; /* the same below --root=, as links and the paths of manifests have it */
        int dir_fd;
        bool misused, missing, failed, changed;
        json_object *told; /* with --json, instead of text */
} Enable;

/* What one name means. Borrows. */
typedef struct Subject {
        const char *name;
        const Source *source; /* what counts for it: its own manifest, or its template's */
        char file[NAME_LENGTH_MAX + sizeof(SUFFIX)];        /* "web.berth" */
        char dropins[NAME_LENGTH_MAX + sizeof(SUFFIX) + 2]; /* "web.berth.d" */
        bool instance; /* of a template, without a manifest of its own */
} Subject;

static void enable_done(Enable *e) {
        set_free(e->set);
        free(e->directory);
        close_fd(e->dir_fd);
        json_object_put(e->told);
}

enum { ENABLED = 1 << 0, CHANGED = 1 << 1 };

/* How a name stands now, as text or as an object. */
static _printf_(4, 5) void tell(Enable *e, const char *name, unsigned how, const char *format, ...) {
        json_object *object;
        va_list ap;

        e->changed |= how & CHANGED;
        if (!e->told) {
                va_start(ap, format);
                vprintf(format, ap);
                va_end(ap);
                putchar('\n');
                return;
        }
        object = json_object_new_object();
        json_object_object_add(object, "name", json_object_new_string(name));
        json_object_object_add(object, "enabled", json_object_new_boolean(how & ENABLED));
        json_object_object_add(object, "changed", json_object_new_boolean(how & CHANGED));
        json_object_array_add(e->told, object);
}

/* Logs what cannot be done with a name. Always 0: the other names go on. */
static int refuse(Enable *e, int error, const char *verb, const char *name) {
        (void) log_error_errno(error, "cannot %s '%s': %m", verb, name);
        e->failed = true;
        return 0;
}

/* Finds what a name means: 1, or 0, told. */
static int find_subject(Enable *e, const char *name, Subject *ret) {
        Subject s = { .name = name };
        char template[NAME_LENGTH_MAX + 2];

        if (endswith(name, SUFFIX) || strchr(name, '/')) {
                log_error("'%s' is a file; give the name of its container", name);
                e->misused = true;
                return 0;
        }
        if (name_valid(name, true)) {
                s.source = lookup_find(set_lookup(e->set), name);
                if (!s.source && strchr(name, '@')) {
                        snprintf(template, sizeof(template), "%.*s@", (int) strcspn(name, "@"), name);
                        s.source = lookup_find(set_lookup(e->set), template);
                        s.instance = true;
                }
        }
        if (!s.source) {
                (void) log_error_errno(ENOENT, "no manifest '%s'; see berth check", name);
                e->missing = true;
                return 0;
        }
        if (endswith(name, "@")) {
                log_error("'%s' is a template, which is not started itself; give an instance: %sINSTANCE",
                          name, name);
                e->misused = true;
                return 0;
        }
        if (s.source->state == SOURCE_MASKED) {
                log_error("'%s' is masked by %s; remove that link first", name, s.source->path);
                e->failed = true;
                return 0;
        }
        snprintf(s.file, sizeof(s.file), "%s" SUFFIX, name);
        snprintf(s.dropins, sizeof(s.dropins), "%s.d", s.file);
        *ret = s;
        return 1;
}

/* Is the service wanted by anything, as its manifest and drop-ins stand? 1, 0 or negative errno. */
static int is_wanted(Enable *e, const Subject *s) {
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        int r = set_compile(e->set, s->source, s->source->name, NULL, &m, &service);

        for (size_t i = 0; r >= 0 && i < service.links.n; i++)
                if (strchr(service.links.list[i].path, '/'))
                        return 1;
        return r < 0 ? r : 0;
}

/* The drop-in of ours: 1 if it is there and as we wrote it, 0 if there is none, -EEXIST if it is another's. */
static int look(const Enable *e, const Subject *s) {
        char path[sizeof(s->dropins) + sizeof(DROPIN)];
        _cleanup_free_ char *text = NULL;
        int r;

        snprintf(path, sizeof(path), "%s/" DROPIN, s->dropins);
        r = e->dir_fd < 0 ? -ENOENT : read_file_at(e->dir_fd, path, 4096, &text, NULL);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r < 0)
                return r == -ENOMEM ? r : -EEXIST;
        return streq(text, DROPIN_TEXT) ? 1 : -EEXIST;
}

static int refuse_foreign(Enable *e, const Subject *s) {
        log_error("%s/%s/" DROPIN " is there, and not as berth enable writes it; edit or remove it",
                  e->directory, s->dropins);
        e->failed = true;
        return 0;
}

/* Where the link of an instance leads: the template's file, by its name alone where that is beside it. */
static void link_target(const Enable *e, const Subject *s, char *ret, size_t size) {
        const char *path = s->source->path, *base = strrchr(path, '/') + 1;
        size_t n = strlen(e->inside);

        if (strncmp(path, e->inside, n) == 0 && path + n + 1 == base)
                snprintf(ret, size, "%s", base);
        else
                snprintf(ret, size, "%s", path);
}

/* Makes the link that gives a template an instance. 0 or negative errno. */
static int make_instance(const Enable *e, const Subject *s) {
        char target[4096];

        link_target(e, s, target, sizeof(target));
        return symlinkat(target, e->dir_fd, s->file) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_administrators(Enable *e) {
        if (e->dir_fd < 0)
                e->dir_fd = make_path(AT_FDCWD, e->directory, 0755);
        return e->dir_fd < 0 ? e->dir_fd : 0;
}

static int enable_one(Enable *e, const char *name) {
        _cleanup_close_ int fd = -EBADF;
        Subject s;
        int r = find_subject(e, name, &s);

        if (r <= 0)
                return r;
        r = look(e, &s);
        if (r == -EEXIST)
                return refuse_foreign(e, &s);
        if (r < 0)
                return r;
        if (r > 0) {
                tell(e, name, ENABLED, "%s is enabled already", name);
                return 0;
        }
        r = s.instance ? 0 : is_wanted(e, &s);
        if (r < 0)
                return r;
        if (r > 0) {
                tell(e, name, ENABLED, "%s is enabled already, by [Install] of %s or of its drop-ins", name,
                     s.source->path);
                return 0;
        }
        r = open_administrators(e);
        if (r >= 0 && s.instance)
                r = make_instance(e, &s);
        if (r >= 0) {
                fd = make_path(e->dir_fd, s.dropins, 0755);
                r = fd;
        }
        if (r >= 0)
                r = write_file_at(fd, DROPIN, DROPIN_TEXT, strlen(DROPIN_TEXT), 0644);
        if (r < 0)
                return refuse(e, r, "enable", name);
        tell(e, name, ENABLED | CHANGED, "%s is started with the system from now on: %s/%s/" DROPIN, name,
             e->directory, s.dropins);
        return 0;
}

/* Removes the link that enable made for an instance; one that somebody else made stays. */
static void remove_instance(const Enable *e, const Subject *s) {
        char wanted[4096], there[4096];
        Subject of_template = *s;
        char template[NAME_LENGTH_MAX + 2];
        ssize_t n;

        if (!strchr(s->name, '@'))
                return;
        snprintf(template, sizeof(template), "%.*s@", (int) strcspn(s->name, "@"), s->name);
        of_template.source = lookup_find(set_lookup(e->set), template);
        if (!of_template.source)
                return;
        link_target(e, &of_template, wanted, sizeof(wanted));
        n = readlinkat(e->dir_fd, s->file, there, sizeof(there));
        if (n == (ssize_t) strlen(wanted) && memcmp(there, wanted, (size_t) n) == 0)
                (void) unlinkat(e->dir_fd, s->file, 0);
}

static int remove_dropin(const Enable *e, const Subject *s) {
        char path[sizeof(s->dropins) + sizeof(DROPIN)];

        snprintf(path, sizeof(path), "%s/" DROPIN, s->dropins);
        if (unlinkat(e->dir_fd, path, 0) < 0)
                return -errno;
        (void) unlinkat(e->dir_fd, s->dropins, AT_REMOVEDIR); /* others' drop-ins keep it */
        return 0;
}

static int disable_one(Enable *e, const char *name) {
        Subject s;
        int r = find_subject(e, name, &s), wanted;

        if (r <= 0)
                return r;
        r = look(e, &s);
        if (r == -EEXIST)
                return refuse_foreign(e, &s);
        if (r < 0)
                return r;
        if (r > 0) {
                int k = remove_dropin(e, &s);

                if (k < 0)
                        return refuse(e, k, "disable", name);
                remove_instance(e, &s);
                tell(e, name, CHANGED, "%s is no longer started with the system by berth enable", name);
                return 0;
        }
        wanted = s.instance ? 0 : is_wanted(e, &s);
        if (wanted < 0)
                return wanted;
        if (wanted == 0) {
                tell(e, name, 0, "%s is disabled already", name);
                return 0;
        }
        log_error("'%s' is started by [Install] of %s or of its drop-ins, which berth enable did not write; remove WantedBy= "
                  "and its kin there, or empty them in %s/%s/60-disable.conf: [Install], WantedBy=, RequiredBy=, UpheldBy=",
                  name, s.source->path, e->directory, s.dropins);
        e->failed = true;
        return 0;
}

/* The first directory of manifests is the administrator's. */
static int find_directory(Enable *e, const SetOptions *o) {
        const char *path = o->manifest_path ? o->manifest_path : LOOKUP_MANIFEST_PATH,
                   *root = o->root && !streq(o->root, "/") ? o->root : "";

        if (asprintf(&e->directory, "%s%.*s", root, (int) strcspn(path, ":"), path) < 0) {
                e->directory = NULL;
                return -ENOMEM;
        }
        e->inside = e->directory + strlen(root);
        e->dir_fd = open(e->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return 0;
}

static int run(const Tool *tool, int (*one)(Enable *e, const char *name)) {
        _cleanup_(enable_done) Enable e = { .dir_fd = -EBADF };
        int r;

        r = set_open(&tool->set, &e.set);
        if (r < 0)
                return EXIT_FAILED; /* logged */
        e.told = tool->json ? json_object_new_array() : NULL;
        r = find_directory(&e, &tool->set);
        for (char **name = tool->arguments; r >= 0 && *name; name++)
                r = one(&e, *name);
        if (r < 0) {
                (void) log_oom();
                return EXIT_FAILED;
        }
        if (e.told)
                puts(json_object_to_json_string_ext(e.told, JSON_C_TO_STRING_PLAIN |
                                                                            JSON_C_TO_STRING_NOSLASHESCAPE));
        else if (e.changed)
                puts("Run systemctl daemon-reload for it to hold.");
        if (e.misused)
                return EXIT_USAGE;
        if (e.missing)
                return EXIT_NO_SUCH;
        return e.failed ? EXIT_FAILED : EXIT_DONE;
}

int verb_enable(const Tool *tool) {
        return run(tool, enable_one);
}

int verb_disable(const Tool *tool) {
        return run(tool, disable_one);
}
