/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/translate.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/names.h"
#include "common/strv.h"
#include "generator/boot.h"
#include "generator/command.h"
#include "generator/directives.h"
#include "generator/pass.h"
#include "generator/references.h"
#include "generator/text.h"
#include "generator/unit.h"
#include "generator/words.h"

#define PROGRAM   BERTH_BINDIR "/berth"
#define STOP_POST "ExecStopPost"

typedef struct Translation {
        Manifest *m;
        Text text;
        Pass pass; /* to that text */
        const Further *further;
} Translation;

void service_done(Service *s) {
        free(s->unit);
        free(s->text);
        further_done(&s->further);
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
static int add_all_mounts_for(Translation *t) {
        static const char *const given[] = { "ReadPath", "WritePath" };
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
        for (size_t k = 0; k < ARRAY_LEN(given); k++)
                for (unsigned i = 0; store_get(t->m->store, "Container", given[k], i, &v); i++) {
                        _cleanup_strv_ char **words = NULL;
                        WordsError error;
                        int r = words_split(v.text, &words, &error);

                        if (r < 0)
                                return r; /* types.c let it in: only memory is left */
                        for (size_t j = 0; words && words[j]; j++)
                                add_mounts_for(t, words[j]);
                }
        return 0;
}

/* What Disk= limits is a file system in a file. */
static bool has_disk(const Translation *t) {
        return store_count(t->m->store, "Limits", "Disk") > 0;
}

/* A disk image is known by its name alone: what an ID leads to is nothing that a generator may look at. */
static bool needs_loop(const Translation *t) {
        const char *image = store_text(t->m->store, "Container", "Image");

        return (image && image_is_disk(image)) || has_disk(t);
}

/* Without an init the command writes to the journal itself, and would say how grave it is: an emergency is written to the
 * terminals of all who are logged in, as it stands. Nor can what we tell have a level then (systemd.exec(5)). */
static void add_levels(Translation *t) {
        const char *init = store_text(t->m->store, "Container", "Init");
        StoreValue v;

        if (!init || !streq(init, "no") || manifest_directive(t->m, "Service", "SyslogLevelPrefix", &v) >= 0)
                return;
        add(t, "SyslogLevelPrefix", "no");
        add(t, "UnsetEnvironment", "JOURNAL_STREAM");
}

static int add_unit_section(Translation *t) {
        StoreValue v;
        int r;

        r = pass_head(&t->pass, manifest_directive(t->m, "Unit", "Description", &v) < 0 ? " (berth)" : NULL);
        if (r < 0)
                return r;
        r = add_all_mounts_for(t);
        if (r < 0)
                return r;
        if (needs_loop(t))
                text_add(&t->text, "Wants=modprobe@loop.service\nAfter=modprobe@loop.service\n");
        r = references_add(&t->pass);
        if (r < 0)
                return r;
        further_dependencies(t->further, t->m, &t->text);
        return pass_section(&t->pass, "Unit", NULL);
}

static int add_service_section(Translation *t) {
        static const struct {
                const char *key, *value, *ours; /* a key that sets it */
        } defaults[] = {
                { "OOMPolicy", "stop", NULL },
                { "TimeoutStopSec", "30", "StopTimeout" },
                { "Slice", "machine.slice", NULL },
                { "DevicePolicy", "closed", NULL },
        };
        StoreValue v;
        int r;

        unit_section(&t->text, "Service");
        add_default(t, "Service", "Type", "notify");
        add(t, "NotifyAccess", "main");
        add(t, "Delegate", "yes");
        add(t, "KillMode", "mixed");
        directives_success(t->m, &t->text);
        for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
                if (!defaults[i].ours || store_count(t->m->store, "Container", defaults[i].ours) <= 0)
                        add_default(t, "Service", defaults[i].key, defaults[i].value);
        if (manifest_directive(t->m, "Service", "SyslogIdentifier", &v) < 0)
                pass_name(&t->text, t->m, "SyslogIdentifier=", "\n");
        add_levels(t);
        further_service(t->further, t->m, &t->text);
        r = pass_section(&t->pass, "Service", STOP_POST);
        if (r < 0)
                return r;
        directives_add(t->m, &t->text);
        directives_credentials(t->m, &t->text);
        if (needs_loop(t))
                text_addf(&t->text, "DeviceAllow=/dev/loop-control rw\nDeviceAllow=block-loop %s\n",
                          has_disk(t) ? "rw" : "r");
        return 0;
}

/* What "systemctl reload" runs: the errors of a bad manifest, as its start does. */
static void add_reload(Translation *t, const Text *reload, const Text *errors) {
        if (reload->size == 0)
                return;
        text_add(&t->text, errors ? "ExecReload=:" PROGRAM " refuse" : "ExecReload=:" PROGRAM);
        text_add_bytes(&t->text, errors ? errors->data : reload->data, errors ? errors->size : reload->size);
        text_add(&t->text, "\n");
}

/* The commands, last: nothing that a manifest passes on comes behind them but its own ExecStopPost=, of which one that
 * fails keeps systemd from running the next. launch, reload and theirs are what to run if all is well; they were built
 * before, since that can find errors itself. */
static int add_commands(Translation *t, const Text *launch, const Text *reload, const Text *unheard,
                        const Text *cleanup, const Text *own) {
        _cleanup_text_ Text line = { 0 };
        int r;

        if (t->m->diags.errors > 0) {
                /* no restart mends it; a launch that fails may well succeed the next time */
                text_addf(&t->text, "RestartPreventExitStatus=%d\n", EXIT_BERTH);
                text_add(&t->text, "ExecStart=:" PROGRAM " refuse");
                r = command_refuse(t->m, &line);
                if (r < 0)
                        return r;
                text_add_bytes(&t->text, line.data, line.size);
        } else {
                text_add(&t->text, "ExecStart=:" PROGRAM " launch");
                text_add_bytes(&t->text, launch->data, launch->size);
        }
        text_add(&t->text, "\n");
        if (unheard->size > 0) {
                text_add(&t->text, "ExecStop=-:" PROGRAM " unheard");
                text_add_bytes(&t->text, unheard->data, unheard->size);
                text_add(&t->text, "\n");
        }
        add_reload(t, reload, t->m->diags.errors > 0 ? &line : NULL);
        /* A hook that fails, which cleanup exits with, is none of theirs. */
        text_addf(&t->text, STOP_POST "=%s:" PROGRAM " cleanup",
                  store_count(t->m->store, "Hooks", "Error") > 0 ? "-" : "");
        text_add_bytes(&t->text, cleanup->data, cleanup->size);
        text_add(&t->text, "\n");
        text_add_bytes(&t->text, own->data, own->size);
        return 0;
}

static int add_install_section(Translation *t) {
        if (store_count(t->m->store, "Install", "*") <= 0)
                return 0;
        unit_section(&t->text, "Install");
        return pass_section(&t->pass, "Install", NULL);
}

static void translation_done(Translation *t) {
        text_done(&t->text);
}

int translate(Manifest *m, const World *world, Service *ret) {
        _cleanup_(translation_done) Translation t = { .m = m };
        _cleanup_(service_done) Service service = { 0 };
        _cleanup_text_ Text launch = { 0 }, reload = { 0 }, unheard = { 0 }, cleanup = { 0 }, own = { 0 };
        const char *other;
        StoreValue template;
        int r;

        if (asprintf(&service.unit, "%s.service", m->name) < 0) {
                service.unit = NULL;
                return -ENOMEM;
        }
        other = world->machine_taken(world->data, m->name);
        if (other)
                diag_error(&m->diags, 0, 0,
                           "the manifest '%s' makes a machine of the same name; rename one of them", other);
        if (boot_wanted(m))
                return boot_translate(m, world, ret);
        if (!boot_doubtful(m) && store_get(m->store, "Container", "Template", 0, &template))
                diag_error(&m->diags, template.line, 1, "Template= has a meaning with Boot=yes only");
        t.pass = (Pass){ m, world, &t.text };
        t.further = &service.further;
        r = further_build(m, world, &service.further);
        if (r >= 0)
                r = add_unit_section(&t);
        if (r >= 0)
                r = add_service_section(&t);
        if (r >= 0)
                r = command_launch(m, &launch);
        if (r >= 0)
                r = command_reload(m, &reload);
        if (r >= 0)
                r = command_unheard(m, &unheard);
        if (r >= 0)
                r = command_cleanup(m, &cleanup);
        if (r >= 0)
                r = pass_commands(&(Pass){ m, world, &own }, STOP_POST);
        if (r >= 0)
                r = install_build(m, world, service.unit, &service.further, &service.links);
        diags_sort(&m->diags);
        if (r >= 0 && boot_doubtful(m))
                r = boot_keep(m, world, service.unit, &service.further);
        if (r >= 0)
                r = add_commands(&t, &launch, &reload, &unheard, &cleanup, &own);
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
