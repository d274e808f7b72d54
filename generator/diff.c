/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "berth diff": where systemd or a running container is behind the manifests. systemd has loaded what the generator
 * wrote at the last reload, and that still stands in its directory; a container's launch left its command line in
 * the container's state directory. So no question to the bus is needed. */

#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "generator/choice.h"
#include "generator/compare.h"
#include "generator/output.h"
#include "generator/specifier.h"
#include "generator/tool.h"
#include "generator/unit.h"
#include "generator/words.h"

#define FILE_MAX (8U * 1024 * 1024)

typedef struct Diff {
        const Tool *tool;
        Set *set;
        int root_fd, generator_fd, containers_fd; /* the last two -EBADF: there is none */
        json_object *reload, *restart;            /* with --json */
        char **units;                             /* that manifests make */
        bool differs, missing, failed;
} Diff;

static void diff_done(Diff *d) {
        set_free(d->set);
        close_fd(d->root_fd);
        close_fd(d->generator_fd);
        close_fd(d->containers_fd);
        json_object_put(d->reload);
        json_object_put(d->restart);
        strv_free(d->units);
}

/* Tells of one difference. Takes hunks, which may be NULL. */
static int tell(Diff *d, json_object *list, const char *what, const char *why, const char *advice,
                const char *old, const char *new, Text *hunks) {
        d->differs = true;
        if (hunks && hunks->failed)
                return -ENOMEM;
        if (list) {
                json_object *object = json_object_new_object();

                json_object_object_add(object, list == d->reload ? "unit" : "name",
                                       json_object_new_string(what));
                json_object_object_add(object, "why", json_object_new_string(why));
                json_object_object_add(object, "diff",
                                       hunks && hunks->size > 0 ? json_object_new_string(hunks->data)
                                                                : NULL);
                json_object_array_add(list, object);
                return 0;
        }
        printf("# %s: %s; run: %s\n", what, why, advice);
        if (hunks && hunks->size > 0)
                printf("--- %s\n+++ %s\n%s", old, new, hunks->data);
        return 0;
}

/* Compares two texts, either of which may be NULL. */
static int tell_texts(Diff *d, const char *unit, const char *why, const char *path, const char *old,
                      const char *new) {
        _cleanup_strv_ char **a = NULL, **b = NULL;
        _cleanup_text_ Text hunks = { 0 };
        char loaded[512];
        int r;

        snprintf(loaded, sizeof(loaded), GENERATOR_DIR "/%s", unit);
        r = compare_split(old ? old : "", &a);
        if (r >= 0)
                r = compare_split(new ? new : "", &b);
        if (r >= 0)
                r = compare_lines(&hunks, a, b);
        if (r < 0)
                return r;
        return tell(d, d->reload, unit, why, "systemctl daemon-reload", old ? loaded : "/dev/null",
                    new ? path : "/dev/null", &hunks);
}

/* Is the link of a service where it belongs? */
static bool link_loaded(const Diff *d, const Link *link) {
        char target[512];
        ssize_t n = d->generator_fd < 0 ? -1
                                        : readlinkat(d->generator_fd, link->path, target, sizeof(target));

        return n == (ssize_t) strlen(link->target) && memcmp(target, link->target, (size_t) n) == 0;
}

/* Compares a unit with what systemd has loaded of it. 1: it is the same. */
static int diff_unit(Diff *d, const Manifest *m, const char *unit, const char *text) {
        _cleanup_free_ char *loaded = NULL;
        int r;

        r = strv_append(&d->units, unit);
        if (r < 0)
                return r;
        r = d->generator_fd < 0 ? -ENOENT : read_file_at(d->generator_fd, unit, FILE_MAX, &loaded, NULL);
        if (r == -ENOENT)
                return tell_texts(d, unit, "systemd has not loaded it", m->path, NULL, text);
        if (r < 0) {
                d->failed = true;
                (void) log_error_errno(r, "cannot read '" GENERATOR_DIR "/%s': %m", unit);
                return r == -ENOMEM ? r : 0;
        }
        return streq(loaded, text) ? 1
                                   : tell_texts(d, unit, "the manifest was changed", m->path, loaded, text);
}

/* Compares a service and what belongs to it. */
static int diff_service(Diff *d, const Manifest *m, const Service *service) {
        int r = diff_unit(d, m, service->unit, service->text);

        for (size_t i = 0; r >= 0 && i < service->further.n; i++) {
                int k = diff_unit(d, m, service->further.list[i].path, service->further.list[i].text);

                r = k < 0 ? k : MIN(r, k);
        }
        if (r <= 0)
                return r;
        for (size_t i = 0; i < service->links.n; i++)
                if (!link_loaded(d, &service->links.list[i]))
                        return tell(d, d->reload, service->links.list[i].path, "systemd has not loaded it",
                                    "systemctl daemon-reload", NULL, NULL, NULL);
        return 0;
}

/* Compiles a choice that is wanted: 1 if there is a service, 0 if none, -ENOMEM. */
static int compile(Diff *d, const Choice *choice, Manifest *m, Service *service) {
        _cleanup_free_ char *error = NULL;
        int r = choice_wanted(d->set, choice, &error);

        if (r <= 0)
                return r;
        r = set_compile(d->set, choice->source, choice->name, choice->path, m, service);
        return r < 0 ? r : 1;
}

static int diff_one(Diff *d, const Choice *choice) {
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        int r = compile(d, choice, &m, &service);

        return r > 0 ? diff_service(d, &m, &service) : r;
}

/* Units of ours that systemd has loaded and that no manifest makes any more. */
static int diff_gone(Diff *d) {
        _cleanup_strv_ char **names = NULL;
        int r = directory_names(d->generator_fd, ".", O_NOFOLLOW, directory_is_visible, &names);

        for (char **name = names; r >= 0 && name && *name; name++) {
                _cleanup_free_ char *text = NULL;

                if ((!endswith(*name, ".service") && !endswith(*name, ".socket") &&
                     !endswith(*name, ".timer")) ||
                    strv_contains(d->units, *name) ||
                    read_file_at(d->generator_fd, *name, FILE_MAX, &text, NULL) < 0 ||
                    !startswith(text, OUTPUT_MARK))
                        continue;
                r = tell_texts(d, *name, "its manifest is gone", "", text, NULL);
        }
        return r == -ENOMEM ? r : 0;
}

/* The value of KEY=VALUE in a file of lines, or NULL. Owned by the caller. */
static char *line_value(const char *text, const char *key) {
        size_t n = strlen(key);

        for (const char *s = text; *s; s += strcspn(s, "\n") + (s[strcspn(s, "\n")] == '\n'))
                if (strncmp(s, key, n) == 0 && s[n] == '=')
                        return strndup(s + n + 1, strcspn(s + n + 1, "\n"));
        return NULL;
}

/* Does the process still run that the state was written for? Field 22 of /proc/PID/stat is when it began. */
static bool runs(const Diff *d, const char *state) {
        _cleanup_free_ char *pid = line_value(state, "Pid"), *began = line_value(state, "StartTime"),
                            *text = NULL;
        uint32_t number;
        char path[32];
        const char *s;
        int field = 2;

        if (!pid || !began || parse_uint32(pid, &number) < 0)
                return false;
        snprintf(path, sizeof(path), "proc/%u/stat", number);
        if (read_file_at(d->root_fd, path, 65536, &text, NULL) < 0)
                return false;
        /* The name of the program, in parentheses, may hold anything. */
        for (s = strrchr(text, ')'); s && field < 22; field++) {
                s = strchr(s, ' ');
                s = s ? s + 1 : NULL;
        }
        return s && strlen(began) == strcspn(s, " ") && strncmp(s, began, strlen(began)) == 0;
}

/* Makes words fit for lines of a terminal: those with control characters are quoted. */
static int words_to_lines(char **words) {
        for (; words && *words; words++) {
                _cleanup_text_ Text quoted = { 0 };
                char *line;
                bool plain = true;

                for (const char *s = *words; *s; s++)
                        plain = plain && (unsigned char) *s >= ' ' && *s != 0x7f;
                if (plain)
                        continue;
                unit_word(&quoted, *words, UNIT_SPECIFIERS);
                if (text_take(&quoted, &line, NULL) < 0)
                        return -ENOMEM;
                free(*words);
                *words = line;
        }
        return 0;
}

/* The words that systemd would start the service with: 1, 0 if it has a specifier that only systemd knows, -ENOMEM. */
static int expected_words(const char *text, const char *unit, char ***ret) {
        static const char key[] = "\nExecStart=:";
        const char *line = strstr(text, key);
        _cleanup_free_ char *value = NULL;
        _cleanup_strv_ char **words = NULL;
        WordsError error;
        int r;

        assert(line); /* every service of ours has one */
        line += sizeof(key) - 1;
        value = strndup(line, strcspn(line, "\n"));
        if (!value)
                return -ENOMEM;
        r = words_split(value, &words, &error);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        for (char **word = words; word && *word; word++) {
                char *expanded;

                r = specifier_expand(*word, unit, &expanded);
                if (r < 0)
                        return r == -ENOMEM ? r : 0;
                free(*word);
                *word = expanded;
        }
        if (words_to_lines(words) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(words);
        return 1;
}

/* The words that a container was started with. */
static int recorded_words(int dir_fd, char ***ret) {
        _cleanup_free_ char *data = NULL;
        _cleanup_strv_ char **words = NULL;
        size_t size;
        int r = read_file_at(dir_fd, "launch", FILE_MAX, &data, &size);

        for (size_t i = 0; r >= 0 && i < size; i += strlen(data + i) + 1)
                r = strv_append(&words, data + i);
        if (r >= 0)
                r = words_to_lines(words);
        if (r >= 0)
                *ret = TAKE_PTR(words);
        return r;
}

/* The manifest that makes the unit: its own, or that of its template. NULL: none. */
static const Source *find_source(const Diff *d, const char *name) {
        const Source *source = lookup_find(set_lookup(d->set), name);
        char template[NAME_LENGTH_MAX + 2];

        if (source || !strchr(name, '@'))
                return source;
        snprintf(template, sizeof(template), "%.*s@", (int) strcspn(name, "@"), name);
        return lookup_find(set_lookup(d->set), template);
}

/* Compares the command lines of a container that runs. */
static int diff_words(Diff *d, const char *name, const char *unit, char *const *was, const Manifest *m,
                      const Service *service) {
        _cleanup_strv_ char **words = NULL;
        _cleanup_text_ Text hunks = { 0 };
        char running[128];
        int r;

        if (m->diags.errors > 0)
                return tell(d, d->restart, name, "its manifest has errors, and would not start again",
                            "berth check", NULL, NULL, NULL);
        r = expected_words(service->text, unit, &words);
        if (r <= 0)
                return r;
        r = compare_lines(&hunks, was, words);
        if (r < 0 || hunks.size == 0)
                return r;
        snprintf(running, sizeof(running), BERTH_CONTAINER_DIR "/%s/launch", name);
        return tell(d, d->restart, name, "it runs as the manifest was when it started", "systemctl restart",
                    running, m->path, &hunks);
}

static int diff_container(Diff *d, const char *name) {
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        _cleanup_close_ int dir_fd =
                        openat(d->containers_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_free_ char *state = NULL, *unit = NULL, *base = NULL;
        _cleanup_strv_ char **was = NULL;
        const Source *source;
        int r;

        if (dir_fd < 0 || read_file_at(dir_fd, "state", FILE_MAX, &state, NULL) < 0 || !runs(d, state))
                return 0; /* stale, or just gone */
        unit = line_value(state, "Unit");
        if (!unit || !endswith(unit, ".service"))
                return 0; /* started by hand */
        base = strndup(unit, strlen(unit) - strlen(".service"));
        if (!base)
                return -ENOMEM;
        source = name_valid(base, false) ? find_source(d, base) : NULL;
        r = source ? compile(d, &(Choice){ .source = source, .name = source->name }, &m, &service) : 0;
        if (r < 0)
                return r;
        if (r == 0)
                return tell(d, d->restart, name, "it runs, and its manifest is gone", "systemctl stop", NULL,
                            NULL, NULL);
        r = recorded_words(dir_fd, &was);
        if (r == -ENOENT)
                return tell(d, d->restart, name, "an older Berth started it and left no command line",
                            "systemctl restart", NULL, NULL, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return diff_words(d, name, unit, was, &m, &service);
}

/* The containers that run, or those of them that were named. */
static int diff_containers(Diff *d, char *const *wanted) {
        _cleanup_strv_ char **names = NULL;
        int r = directory_names(d->containers_fd, ".", O_NOFOLLOW, directory_is_visible, &names);

        for (char **name = names; r >= 0 && name && *name; name++)
                if (!wanted[0] || strv_contains(wanted, *name))
                        r = diff_container(d, *name);
        return r == -ENOMEM ? r : 0;
}

static int diff_manifests(Diff *d, char **arguments) {
        int r = 0;

        for (size_t i = 0; r >= 0 && !arguments[0] && i < set_lookup(d->set)->n; i++) {
                const Source *source = &set_lookup(d->set)->list[i];

                r = diff_one(d, &(Choice){ .source = source, .name = source->name });
        }
        for (; r >= 0 && *arguments; arguments++) {
                const Source *source = find_source(d, *arguments);

                if (!source) {
                        (void) log_error_errno(ENOENT, "no manifest '%s'; see berth check", *arguments);
                        d->missing = true;
                        continue;
                }
                r = diff_one(d, &(Choice){ .source = source, .name = source->name });
        }
        return r;
}

static void open_directories(Diff *d) {
        const char *root = d->tool->set.root ? d->tool->set.root : "/";

        d->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        d->generator_fd = open_in_root(d->root_fd, GENERATOR_DIR, O_RDONLY | O_DIRECTORY);
        d->containers_fd = open_in_root(d->root_fd, BERTH_CONTAINER_DIR, O_RDONLY | O_DIRECTORY);
        if (d->containers_fd == -EACCES)
                log_warning("only root sees what containers were started with; they are not compared");
}

static int print_json(const Diff *d) {
        json_object *object = json_object_new_object();

        if (!object)
                return -ENOMEM;
        json_object_object_add(object, "reload", json_object_get(d->reload));
        json_object_object_add(object, "restart", json_object_get(d->restart));
        puts(json_object_to_json_string_ext(object,
                                            JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(object);
        return 0;
}

int verb_diff(const Tool *tool) {
        _cleanup_(diff_done) Diff d = {
                .tool = tool, .root_fd = -EBADF, .generator_fd = -EBADF, .containers_fd = -EBADF
        };
        int r;

        r = set_open(&tool->set, &d.set);
        if (r < 0)
                return EXIT_FAILED; /* logged */
        open_directories(&d);
        if (tool->json) {
                d.reload = json_object_new_array();
                d.restart = json_object_new_array();
        }
        r = diff_manifests(&d, tool->arguments);
        if (r >= 0 && d.generator_fd >= 0 && !tool->arguments[0])
                r = diff_gone(&d);
        if (r >= 0 && d.containers_fd >= 0)
                r = diff_containers(&d, tool->arguments);
        if (r >= 0 && tool->json)
                r = print_json(&d);
        if (r < 0) {
                (void) log_oom();
                return EXIT_FAILED;
        }
        if (d.missing)
                return EXIT_NO_SUCH;
        return d.differs || d.failed ? EXIT_FAILED : EXIT_DONE;
}
