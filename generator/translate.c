/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/translate.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/names.h"
#include "generator/command.h"
#include "generator/policy.h"
#include "generator/specifier.h"
#include "generator/text.h"
#include "generator/unit.h"

#define PROGRAM BERTH_BINDIR "/berth"

typedef struct Translation {
        Manifest *m;
        const World *world;
        Text text;
} Translation;

void service_done(Service *s) {
        free(s->unit);
        free(s->text);
        links_done(&s->links);
        *s = (Service){ 0 };
}

/* Adds a line of ours. It is good by construction. */
static void add(Translation *t, const char *key, const char *value) {
        int r = unit_line(&t->text, key, value);

        assert(r >= 0);
        (void) r;
}

/* Adds a default, if the manifest does not set that directive itself. */
static void add_default(Translation *t, const char *section, const char *key, const char *value) {
        StoreValue v;

        if (manifest_directive(t->m, section, key, &v) < 0)
                add(t, key, value);
}

/* Adds "RequiresMountsFor=PATH", unquoted where nothing has to be quoted. */
static void add_mounts_for(Translation *t, const char *path) {
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-%";
        bool quote = strspn(path, plain) != strlen(path);

        text_add(&t->text, "RequiresMountsFor=");
        if (quote)
                unit_word(&t->text, path, UNIT_SPECIFIERS);
        else
                text_add(&t->text, path);
        text_add(&t->text, "\n");
}

/* The paths that must be there before the start. All passed type_check_path(): no control character in them, so
 * that systemd, which knows no escapes here but of quotes and backslashes, reads them right. */
static void add_all_mounts_for(Translation *t) {
        const char *image = store_text(t->m->store, "Container", "Image");
        StoreValue v;

        add_mounts_for(t, BERTH_DATA_DIR);
        if (image && image[0] == '/')
                add_mounts_for(t, image);
        for (unsigned i = 0; store_get(t->m->store, "Container", "EnvironmentFile", i, &v); i++)
                add_mounts_for(t, v.text);
        for (size_t i = 0; i < t->m->mounts.n; i++)
                if (streq(t->m->mounts.list[i].type, "bind"))
                        add_mounts_for(t, t->m->mounts.list[i].source);
}

/* Does the manifest exist that name, in which specifiers may stand behind "@", will come to? 1, 0 or -ENOMEM. */
static int manifest_exists(Translation *t, const char *name) {
        _cleanup_free_ char *sample = NULL, *template = NULL;
        const char *instance = strchr(name, '@');
        size_t n = instance ? (size_t) (instance - name) : strlen(name);
        int r;

        if (!specifier_check(name, NULL) || memchr(name, '%', n))
                return 0;
        r = specifier_sample(name, &sample);
        if (r < 0)
                return r;
        if (!name_valid(sample, true))
                return 0;
        if (t->world->manifest_exists(t->world->data, name))
                return 1;
        if (!instance || instance[1] == '\0')
                return 0;
        template = strndup(name, n + 1);
        return !template ? -ENOMEM : t->world->manifest_exists(t->world->data, template);
}

/* Adds a word of a list of units, of n bytes: "db.berth" becomes "db.service". 0 or -ENOMEM. */
static int add_reference(Translation *t, const char *directive, const char *word, const StoreValue *at,
                         Text *line) {
        const char *suffix = endswith(word, ".berth");
        _cleanup_free_ char *name = NULL;
        int r;

        if (!suffix) {
                text_addf(line, "%s%s", line->size > 0 ? " " : "", word);
                return 0;
        }
        name = strndup(word, (size_t) (suffix - word));
        if (!name)
                return -ENOMEM;
        r = manifest_exists(t, name);
        if (r < 0)
                return r;
        if (r > 0)
                text_addf(line, "%s%s.service", line->size > 0 ? " " : "", name);
        else
                diag_error(&t->m->diags, at->line, at->column,
                           "%s= names '%s', but there is no such manifest; add it, or name a unit",
                           directive, DIAG_CLIP(word));
        return 0;
}

/* Passes a list of units on. Only one that names a manifest is written anew; in others nothing is touched, since
 * systemd keeps the backslashes of unit names. */
static int pass_references(Translation *t, const char *directive, const char *value, const StoreValue *at) {
        _cleanup_text_ Text line = { 0 };
        _cleanup_free_ char *text = NULL;
        int r;

        if (!strstr(value, ".berth"))
                return unit_line(&t->text, directive, value);
        if (strpbrk(value, "\"'")) {
                diag_error(&t->m->diags, at->line, at->column,
                           "%s= has quotes beside a manifest; names of units and "
                           "manifests need none",
                           directive);
                return 0;
        }
        for (const char *s = value + strspn(value, " \t"); *s; s += strspn(s, " \t")) {
                _cleanup_free_ char *word = strndup(s, strcspn(s, " \t"));

                if (!word)
                        return -ENOMEM;
                r = add_reference(t, directive, word, at, &line);
                if (r < 0)
                        return r;
                s += strlen(word);
        }
        if (line.size == 0 && !line.failed)
                return 0;
        r = text_take(&line, &text, NULL);
        return r < 0 ? r : unit_line(&t->text, directive, text);
}

/* Is a directive of [Unit] emptied from there on? systemd takes an empty assignment of dependencies for none at all
 * (systemd.unit(5)), so that here what it empties is left out. */
static bool emptied(const Translation *t, const char *directive, unsigned from) {
        size_t n = strlen(directive);
        StoreValue v;

        if (!policy_references(directive) && !streq(directive, "RequiresMountsFor"))
                return false;
        for (; store_get(t->m->store, "Unit", "*", from, &v); from++)
                if (strncmp(v.text, directive, n) == 0 && v.text[n] == '=' && v.text[n + 1] == '\0')
                        return true;
        return false;
}

/* Adds the directives of a section as the manifest has them. */
static int pass_section(Translation *t, const char *section) {
        StoreValue v;

        for (unsigned i = 0; store_get(t->m->store, section, "*", i, &v); i++) {
                size_t n = strcspn(v.text, "=");
                _cleanup_free_ char *directive = strndup(v.text, n);
                int r;

                if (!directive)
                        return -ENOMEM;
                if (streq(section, "Unit") && emptied(t, directive, i))
                        continue;
                /* Newer than 252, which warns of it at every reload; the link is what counts. */
                if (streq(section, "Install") && streq(directive, "UpheldBy"))
                        continue;
                if (streq(section, "Unit") && policy_references(directive))
                        r = pass_references(t, directive, v.text + n + 1, &v);
                else
                        r = unit_line(&t->text, directive, v.text + n + 1);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        diag_error(&t->m->diags, v.line, v.column,
                                   "%s= makes a line that systemd does not read; "
                                   "shorten it",
                                   directive);
        }
        return 0;
}

static void add_number(Translation *t, const char *key, const char *digits, const char *unit) {
        text_addf(&t->text, "%s=%s%s\n", key, digits, unit);
}

static void add_runtime(Translation *t, const char *usec) {
        /* systemd.service(5): RuntimeMaxSec= has no effect on a oneshot, which is "starting" while it runs. */
        const char *key = manifest_oneshot(t->m) ? "TimeoutStartSec" : "RuntimeMaxSec";
        unsigned long long v = strtoull(usec, NULL, 10);

        if (streq(usec, "infinity"))
                add_number(t, key, usec, "");
        else if (v % 1000000 == 0)
                text_addf(&t->text, "%s=%llu\n", key, v / 1000000);
        else
                add_number(t, key, usec, "us");
}

static void add_limits(Translation *t) {
        const Store *s = t->m->store;
        const char *cpus = store_text(s, "Limits", "CPUs"), *memory = store_text(s, "Limits", "Memory"),
                   *swap = store_text(s, "Limits", "Swap"), *tasks = store_text(s, "Limits", "Tasks"),
                   *runtime = store_text(s, "Limits", "Runtime");

        if (cpus) {
                unsigned long long per_mille = strtoull(cpus, NULL, 10);

                if (per_mille % 10 == 0)
                        text_addf(&t->text, "CPUQuota=%llu%%\n", per_mille / 10);
                else
                        text_addf(&t->text, "CPUQuota=%llu.%llu%%\n", per_mille / 10, per_mille % 10);
        }
        if (memory)
                add_number(t, "MemoryMax", memory, "");
        if (swap || memory)
                add_number(t, "MemorySwapMax", swap ? swap : "0", "");
        if (tasks)
                add_number(t, "TasksMax", tasks, "");
        if (runtime)
                add_runtime(t, runtime);
}

static int add_unit_section(Translation *t) {
        char description[128];
        int r;

        unit_section(&t->text, "Unit");
        snprintf(description, sizeof(description), "%s%s (berth)", t->m->name,
                 endswith(t->m->name, "@") ? "%i" : "");
        add_default(t, "Unit", "Description", description);
        r = unit_literal(&t->text, "SourcePath", t->m->path);
        if (r < 0)
                return r;
        add_all_mounts_for(t);
        return pass_section(t, "Unit");
}

static int add_service_section(Translation *t) {
        static const struct {
                const char *key, *value;
        } defaults[] = {
                { "OOMPolicy", "stop" },
                { "TimeoutStopSec", "30" },
                { "Slice", "machine.slice" },
                { "DevicePolicy", "closed" },
        };
        int r;

        unit_section(&t->text, "Service");
        add_default(t, "Service", "Type", "notify");
        add(t, "NotifyAccess", "main");
        add(t, "Delegate", "yes");
        add(t, "KillMode", "mixed");
        add(t, "SuccessExitStatus", "143 130");
        for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
                add_default(t, "Service", defaults[i].key, defaults[i].value);
        r = pass_section(t, "Service");
        if (r < 0)
                return r;
        add_limits(t);
        return 0;
}

/* The commands, last: nothing that a manifest passes on comes behind them. launch is what to run if all is
 * well; it was built before, since it can find errors itself. */
static int add_commands(Translation *t, const Text *launch) {
        _cleanup_text_ Text line = { 0 };
        int r;

        if (t->m->diags.errors > 0) {
                text_add(&t->text, "ExecStart=:" PROGRAM " refuse");
                r = command_refuse(t->m, &line);
                if (r < 0)
                        return r;
                text_add_bytes(&t->text, line.data, line.size);
        } else {
                text_add(&t->text, "ExecStart=:" PROGRAM " launch");
                text_add_bytes(&t->text, launch->data, launch->size);
        }
        text_add(&t->text, "\nExecStopPost=:" PROGRAM " cleanup");
        command_name(t->m, &t->text);
        text_add(&t->text, "\n");
        return 0;
}

static int add_install_section(Translation *t) {
        if (store_count(t->m->store, "Install", "*") <= 0)
                return 0;
        unit_section(&t->text, "Install");
        return pass_section(t, "Install");
}

static void translation_done(Translation *t) {
        text_done(&t->text);
}

int translate(Manifest *m, const World *world, Service *ret) {
        _cleanup_(translation_done) Translation t = { .m = m, .world = world };
        _cleanup_(service_done) Service service = { 0 };
        _cleanup_text_ Text launch = { 0 };
        const char *other;
        int r;

        if (asprintf(&service.unit, "%s.service", m->name) < 0) {
                service.unit = NULL;
                return -ENOMEM;
        }
        other = world->machine_taken(world->data, m->name);
        if (other)
                diag_error(&m->diags, 0, 0,
                           "the manifest '%s' makes a machine of the same name; rename one of them", other);
        text_addf(&t.text,
                  "# Written by berth-generator from %s. Edit that file, then run: systemctl daemon-reload\n",
                  m->path);
        for (size_t i = 1; m->diags.files[i]; i++)
                text_addf(&t.text, "# with %s\n", m->diags.files[i]);
        r = add_unit_section(&t);
        if (r >= 0)
                r = add_service_section(&t);
        if (r >= 0)
                r = command_launch(m, &launch);
        if (r >= 0)
                r = install_build(m, world, service.unit, &service.links);
        diags_sort(&m->diags);
        if (r >= 0)
                r = add_commands(&t, &launch);
        if (r >= 0)
                r = add_install_section(&t);
        if (r < 0)
                return r;
        unit_section(&t.text, "X-Berth");
        add(&t, "Format", "1");
        r = text_take(&t.text, &service.text, &service.size);
        if (r < 0 || m->diags.failed)
                return -ENOMEM;
        *ret = service;
        service = (Service){ 0 };
        return 0;
}
