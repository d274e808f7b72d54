/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "berth convert": files of podman's Quadlet to manifests. Finds and reads them with their drop-ins and with those
 * beside them that they refer to, and writes what carry.h makes of them; never over a file that is there. */

#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "generator/carry.h"
#include "generator/tool.h"

#define DEPTH_MAX 16 /* directories below the one that was named */

typedef struct Convert {
        const Tool *tool;
        Quadlets units;
        char **seen; /* real paths of units */
        int output_fd;
        json_object *files;            /* with --json */
        unsigned wholly, partly, lost; /* how files were carried over */
        bool failed;                   /* told */
} Convert;

static void convert_done(Convert *c) {
        quadlets_done(&c->units);
        strv_free(c->seen);
        close_fd(c->output_fd);
        json_object_put(c->files);
}

static char *join_path(const char *directory, const char *name) {
        char *path = NULL;

        if (asprintf(&path, "%s%s%s", directory, endswith(directory, "/") ? "" : "/", name) < 0)
                return NULL;
        return path;
}

/* Reads a part of a unit. What cannot be read is a finding. 0 or -ENOMEM. */
static int read_part(Quadlet *q, const char *path) {
        const char *error = NULL;
        char *data = NULL;
        size_t size;
        int r;

        r = lookup_read_path(path, &data, &size, &error);
        if (r == -ENOMEM)
                return r;
        if (r >= 0)
                return quadlet_read(q, path, data, size);
        finding_add(&q->findings, FINDING_ERROR, path, 0, "%s (%s)", error, strerrorname_np(-r));
        return 0;
}

/* One directory of drop-ins: each of its files, if none of that name was found in a more specific one. */
static int collect_dropins(const char *directory, const char *name, char ***names, char ***paths) {
        _cleanup_free_ char *path = join_path(directory, name);
        _cleanup_strv_ char **list = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = directory_names(AT_FDCWD, path, 0, directory_is_visible, &list);
        if (r == -ENOMEM)
                return r;
        for (char **file = list; r >= 0 && file && *file; file++) {
                if (!endswith(*file, ".conf") || strv_contains(*names, *file))
                        continue;
                if (strv_append(names, *file) < 0 || strv_consume(paths, join_path(path, *file)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int compare_bases(const void *a, const void *b) {
        return strcmp(strrchr(*(char *const *) a, '/'), strrchr(*(char *const *) b, '/'));
}

/* podman-systemd.unit(5): NAME.KIND.d of the unit, of its template, of each prefix that ends in "-", and KIND.d. */
static int read_dropins(Quadlet *q, const char *directory) {
        const char *kind = quadlet_kind_to_suffix(q->kind), *at = strchr(q->stem, '@');
        _cleanup_strv_ char **names = NULL, **paths = NULL;
        size_t n = strlen(q->stem);
        char name[512];
        int r;

        if (n + strlen(kind) + 4 > sizeof(name))
                return 0; /* longer than any file's name */
        snprintf(name, sizeof(name), "%s.d", q->file);
        r = collect_dropins(directory, name, &names, &paths);
        if (r >= 0 && at && at[1] != '\0') {
                snprintf(name, sizeof(name), "%.*s%s.d", (int) (at - q->stem) + 1, q->stem, kind);
                r = collect_dropins(directory, name, &names, &paths);
        }
        for (size_t i = at ? (size_t) (at - q->stem) : n; r >= 0 && i > 0; i--)
                if (q->stem[i - 1] == '-' && i < n) {
                        snprintf(name, sizeof(name), "%.*s%s.d", (int) i, q->stem, kind);
                        r = collect_dropins(directory, name, &names, &paths);
                }
        if (r >= 0) {
                snprintf(name, sizeof(name), "%s.d", kind + 1);
                r = collect_dropins(directory, name, &names, &paths);
        }
        if (r >= 0 && paths)
                qsort(paths, strv_length(paths), sizeof(char *), compare_bases);
        for (char **path = paths; r >= 0 && path && *path; path++)
                r = read_part(q, *path);
        return r;
}

/* Adds the unit at path, once. given: it was asked for. 0 or -ENOMEM. */
static int add_unit(Convert *c, const char *path, bool given) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *directory = slash ? strndup(path, (size_t) (slash - path) + 1) : strdup("."),
                            *real = NULL, *whole = NULL, *null = NULL;
        Quadlet *q;
        int r;

        if (!directory)
                return -ENOMEM;
        null = realpath(path, NULL);
        if (null && streq(null, "/dev/null"))
                return 0; /* masked */
        real = realpath(directory, NULL);
        if (!real)
                return errno == ENOMEM ? -ENOMEM : 0;
        whole = join_path(real, slash ? slash + 1 : path);
        if (!whole)
                return -ENOMEM;
        if (strv_contains(c->seen, whole))
                return 0;
        r = strv_append(&c->seen, whole);
        if (r >= 0)
                r = quadlets_add(&c->units, path, real, given, &q);
        if (r >= 0)
                r = read_part(q, path);
        return r < 0 ? r : read_dropins(q, directory);
}

static bool is_directory(const char *path) {
        struct stat st;

        return stat(path, &st) >= 0 && S_ISDIR(st.st_mode);
}

/* All units in a directory and, if they are asked for, below it. */
static int add_directory(Convert *c, const char *path, bool given, unsigned depth) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = directory_names(AT_FDCWD, path, 0, directory_is_visible, &names);
        if (r < 0 && r != -ENOMEM) {
                if (given) {
                        (void) log_error_errno(r, "cannot read the directory '%s': %m", path);
                        c->failed = true;
                }
                return 0;
        }
        for (char **name = names; r >= 0 && name && *name; name++) {
                _cleanup_free_ char *file = join_path(path, *name);

                if (!file)
                        return -ENOMEM;
                if (quadlet_kind_from_name(*name) != _QUADLET_INVALID)
                        r = add_unit(c, file, given);
                else if (given && depth < DEPTH_MAX && !endswith(*name, ".d") && is_directory(file))
                        r = add_directory(c, file, given, depth + 1);
        }
        return r;
}

static int add_argument(Convert *c, const char *argument) {
        if (is_directory(argument))
                return add_directory(c, argument, true, 0);
        if (access(argument, F_OK) < 0) {
                (void) log_error_errno(errno, "no file '%s': %m", argument);
                c->failed = true;
                return 0;
        }
        if (quadlet_kind_from_name(argument) == _QUADLET_INVALID) {
                log_error("'%s' is no file of Quadlet: its name ends in .container, .pod, .volume or .network",
                          argument);
                c->failed = true;
                return 0;
        }
        return add_unit(c, argument, true);
}

/* What stands beside the files may be what they refer to. */
static int add_beside(Convert *c) {
        _cleanup_strv_ char **done = NULL;
        size_t n = c->units.n;

        for (size_t i = 0; i < n; i++) {
                const Quadlet *q = c->units.list[i];
                const char *slash = strrchr(q->path, '/');
                _cleanup_free_ char *shown = NULL;
                int r;

                if (strv_contains(done, q->directory))
                        continue;
                r = strv_append(&done, q->directory);
                if (r < 0)
                        return r;
                shown = slash ? strndup(q->path, MAX((size_t) (slash - q->path), (size_t) 1)) : strdup(".");
                if (!shown)
                        return -ENOMEM;
                r = add_directory(c, shown, false, 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Writes a manifest, whole or not at all, where none of its name is. Returns whether it is there; tells if not. */
static bool write_manifest(Convert *c, const char *name, const char *text) {
        char file[NAME_LENGTH_MAX + sizeof(".berth")], temporary[64];
        _cleanup_close_ int fd = -EBADF;
        int r;

        snprintf(file, sizeof(file), "%s.berth", name);
        snprintf(temporary, sizeof(temporary), ".berth-convert-%d.tmp", getpid());
        fd = openat(c->output_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        r = fd < 0 ? -errno : write_fd(fd, text, strlen(text));
        if (r >= 0 && renameat2(c->output_fd, temporary, c->output_fd, file, RENAME_NOREPLACE) < 0)
                r = -errno;
        if (r >= 0)
                return true;
        if (fd >= 0)
                (void) unlinkat(c->output_fd, temporary, 0);
        if (r == -EEXIST)
                log_error("%s/%s is there already; move it away, or choose another --output=DIR",
                          c->tool->output, file);
        else
                (void) log_error_errno(r, "cannot write '%s/%s': %m", c->tool->output, file);
        c->failed = true;
        return false;
}

static void print_findings(const Findings *findings) {
        for (size_t i = 0; i < findings->n; i++) {
                const Finding *f = &findings->list[i];

                if (f->line > 0)
                        fprintf(stderr, "%s:%u: %s: %s\n", f->path, f->line,
                                finding_level_to_string(f->level), f->message);
                else if (f->level != FINDING_NOTE) /* the same of every file, and in the manifest */
                        fprintf(stderr, "%s: %s: %s\n", f->path, finding_level_to_string(f->level),
                                f->message);
        }
}

/* Takes value; NULL is JSON's null. */
static void set(json_object *object, const char *key, json_object *value) {
        json_object_object_add(object, key, value);
}

static json_object *new_text(const char *s) {
        return s ? json_object_new_string(s) : NULL; /* UTF-8: findings and manifests are */
}

/* A path need not be UTF-8. */
static json_object *new_path(const char *s) {
        _cleanup_free_ char *copy = strdup(s);

        if (copy)
                findings_clean(copy);
        return new_text(copy);
}

static void add_json(Convert *c, const Quadlet *q, const char *carried, const char *output, const char *text,
                     const Findings *findings) {
        json_object *file = json_object_new_object(), *list = json_object_new_array();

        for (size_t i = 0; i < findings->n; i++) {
                const Finding *f = &findings->list[i];
                json_object *finding = json_object_new_object();

                set(finding, "file", new_text(f->path));
                set(finding, "line", json_object_new_int64(f->line));
                set(finding, "level", new_text(finding_level_to_string(f->level)));
                set(finding, "message", new_text(f->message));
                json_object_array_add(list, finding);
        }
        set(file, "file", new_path(q->path));
        set(file, "name", text ? new_text(q->name) : NULL);
        set(file, "carried", new_text(carried));
        set(file, "output", output ? new_path(output) : NULL);
        set(file, "manifest", new_text(text));
        set(file, "findings", list);
        json_object_array_add(c->files, file);
}

static int convert_one(Convert *c, const Quadlet *q) {
        _cleanup_(findings_done) Findings findings = { 0 };
        _cleanup_free_ char *text = NULL, *output = NULL;
        const char *carried;
        int r;

        r = q->kind == QUADLET_CONTAINER ? carry_container(&c->units, q, &text, &findings)
                                         : carry_other(&c->units, q, &findings);
        if (r < 0)
                return r;
        carried = findings.errors > 0 ? "not" : findings.warnings > 0 ? "partly" : "wholly";
        *(findings.errors > 0 ? &c->lost : findings.warnings > 0 ? &c->partly : &c->wholly) += 1;
        if (text && c->tool->output && write_manifest(c, q->name, text) &&
            asprintf(&output, "%s%s%s.berth", c->tool->output, endswith(c->tool->output, "/") ? "" : "/",
                     q->name) < 0) {
                output = NULL;
                return -ENOMEM;
        }
        if (c->files) {
                add_json(c, q, carried, output, text, &findings);
                return 0;
        }
        print_findings(&findings);
        if (output)
                puts(output);
        else if (text && !c->tool->output)
                fputs(text, stdout);
        return 0;
}

/* Without a directory there is room for one manifest. 0, or EXIT_USAGE, told. */
static int check_output(Convert *c) {
        size_t containers = 0;

        if (c->tool->output) {
                c->output_fd = open(c->tool->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (c->output_fd >= 0)
                        return 0;
                (void) log_error_errno(errno, "cannot open the directory '%s' of --output: %m",
                                       c->tool->output);
                return EXIT_FAILED;
        }
        for (size_t i = 0; i < c->units.n; i++)
                containers += c->units.list[i]->given && c->units.list[i]->kind == QUADLET_CONTAINER;
        if (containers <= 1 || c->tool->json)
                return 0;
        log_error("%zu manifests do not fit on standard output; say where they go: --output=DIR",
                  containers);
        return EXIT_USAGE;
}

static void print_summary(Convert *c) {
        json_object *summary;

        if (!c->files) {
                if (c->tool->output)
                        fprintf(stderr, "Carried over: %u wholly, %u in part, %u not at all\n", c->wholly,
                                c->partly, c->lost);
                return;
        }
        summary = json_object_new_object();
        set(summary, "wholly", json_object_new_int64(c->wholly));
        set(summary, "partly", json_object_new_int64(c->partly));
        set(summary, "not", json_object_new_int64(c->lost));
        set(summary, "files", json_object_get(c->files));
        puts(json_object_to_json_string_ext(summary,
                                            JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(summary);
}

int verb_convert(const Tool *tool) {
        _cleanup_(convert_done) Convert c = { .tool = tool, .output_fd = -EBADF };
        int r = 0;

        for (char **argument = tool->arguments; r >= 0 && *argument; argument++)
                r = add_argument(&c, *argument);
        if (r >= 0)
                r = add_beside(&c);
        if (r >= 0) {
                quadlets_name(&c.units);
                r = check_output(&c);
                if (r > 0)
                        return r;
                c.files = tool->json ? json_object_new_array() : NULL;
        }
        for (size_t i = 0; r >= 0 && i < c.units.n; i++)
                if (c.units.list[i]->given)
                        r = convert_one(&c, c.units.list[i]);
        if (r < 0) {
                (void) log_oom();
                return EXIT_FAILED;
        }
        print_summary(&c);
        return c.failed || c.partly + c.lost > 0 ? EXIT_FAILED : EXIT_DONE;
}
