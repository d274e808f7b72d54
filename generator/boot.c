/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/boot.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/names.h"
#include "common/strv.h"
#include "common/utf8.h"
#include "generator/command.h"
#include "generator/directives.h"
#include "generator/keys.h"
#include "generator/pass.h"
#include "generator/specifier.h"
#include "generator/unit.h"
#include "generator/words.h"

#define PROGRAM BERTH_BINDIR "/berth"
#define NSPAWN  "/usr/bin/systemd-nspawn"

typedef struct Boot {
        Manifest *m;
        const World *world;
        const char *unit; /* "os.service" */
        char machine[NAME_LENGTH_MAX + 1];
        Text args; /* of nspawn, a blank before each */
} Boot;

bool boot_wanted(const Manifest *m) {
        const char *boot = store_text(m->store, "Container", "Boot");

        return boot && streq(boot, "yes");
}

bool boot_doubtful(const Manifest *m) {
        return store_count(m->store, "Container", "Boot") != -ENOENT &&
               !store_text(m->store, "Container", "Boot");
}

/* The keys that have a meaning for a whole system; all others of ours are errors. */
static bool has_meaning(const Key *key) {
        static const char *const names[] = { "Boot",      "Template",     "Image",    "ReadOnly",
                                             "Ephemeral", "PrivateUsers", "Hostname", "Environment" };

        if (streq(key->section, "Limits"))
                return !streq(key->name, "Disk");
        if (streq(key->section, "Install") || streq(key->section, "Mount"))
                return true;
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (streq(key->section, "Container") && streq(key->name, names[i]))
                        return true;
        return false;
}

static void check_keys(Boot *b) {
        static const char *const sections[] = { "Socket", "Timer" };
        const Key *key;
        StoreValue type;

        for (size_t i = 0; (key = key_at(i)); i++)
                if (!has_meaning(key) && store_count(b->m->store, key->section, key->name) != -ENOENT)
                        diag_error(&b->m->diags, store_place(b->m->store, key->section, key->name), 1,
                                   "%s= in [%s] has no meaning with Boot=yes; the system has its own, remove it",
                                   key->name, key->section);
        for (size_t i = 0; i < ARRAY_LEN(sections); i++)
                if (store_count(b->m->store, sections[i], "*") != -ENOENT)
                        diag_error(&b->m->diags, store_place(b->m->store, sections[i], "*"), 1,
                                   "[%s] has no meaning with Boot=yes; remove it", sections[i]);
        if (endswith(b->m->name, "@"))
                diag_error(&b->m->diags, 0, 0,
                           "Boot=yes cannot be of a template; write a manifest for each machine");
        if (manifest_directive(b->m, "Service", "Type", &type) >= 0)
                diag_error(&b->m->diags, type.line, 1,
                           "Type= in [Service] has no meaning with Boot=yes; remove it");
}

/* Specifiers are those of NAME.service, not of the unit in which the argument will stand. */
static void add_arg(Boot *b, const char *option, const char *value) {
        _cleanup_free_ char *bound = NULL;

        text_add(&b->args, " ");
        if (specifier_bind(value, b->unit, &bound) < 0)
                b->args.failed = true;
        else
                unit_option(&b->args, option, bound);
}

/* An image of the store is shared and never written to: its files keep their owners, and changes go elsewhere. */
static void add_image(Boot *b) {
        const char *image = store_text(b->m->store, "Container", "Image"),
                   *read_only = store_text(b->m->store, "Container", "ReadOnly"),
                   *ephemeral = store_text(b->m->store, "Container", "Ephemeral"),
                   *users = store_text(b->m->store, "Container", "PrivateUsers");
        bool copied = ephemeral && streq(ephemeral, "yes"), locked = read_only && streq(read_only, "yes"),
             disk;

        if (!image)
                return; /* told */
        disk = endswith(image, ".raw") || endswith(image, ".squashfs") || endswith(image, ".erofs");
        add_arg(b,
                image[0] == '/' ? (disk ? "--image=" : "--directory=")
                : disk          ? "--image=" BERTH_DATA_DIR "/images/"
                                : "--directory=" BERTH_DATA_DIR "/images/",
                image);
        if (image[0] != '/' && !copied && !locked)
                diag_error(&b->m->diags, store_place(b->m->store, "Container", "Image"), 1,
                           "Image= is one of the store, which a system with Boot=yes would write to; add "
                           "Ephemeral=yes or ReadOnly=yes, or give the path of a directory of its own");
        if (locked)
                add_arg(b, "--read-only", "");
        if (copied)
                add_arg(b, "--ephemeral", "");
        add_arg(b, "--private-users=", users ? users : "pick");
        if (!users || streq(users, "pick"))
                add_arg(b, "--private-users-ownership=", image[0] == '/' || copied ? "auto" : "map");
}

/* A line of a template: an argument that does not touch what the manifest says. */
static bool is_argument(const char *s) {
        static const char *const ours[] = { "--machine",   "--directory", "--image",     "--settings",
                                            "--keep-unit", "--boot",      "--as-pid2",   "--register",
                                            "--template",  "--ephemeral", "--read-only", "--private-users",
                                            "--hostname",  "--setenv",    "--user",      "--uuid" };
        size_t n = strcspn(s, "=");

        if (s[0] != '-' || s[1] != '-' || s[2] == '\0')
                return false;
        for (const char *c = s; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        return false;
        for (size_t i = 0; i < ARRAY_LEN(ours); i++)
                if (strlen(ours[i]) == n && strncmp(s, ours[i], n) == 0)
                        return false;
        return true;
}

static int add_template(Boot *b) {
        const char *name = store_text(b->m->store, "Container", "Template");
        unsigned at = store_place(b->m->store, "Container", name ? "Template" : "Boot");
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        size_t size;
        int r;

        name = name ? name : "default";
        r = b->world->template_read(b->world->data, name, &text, &size);
        if (r == -ENOMEM)
                return r;
        if (r >= 0 && (strlen(text) != size || utf8_valid_prefix(text, size) != size))
                r = -EILSEQ;
        if (r < 0)
                diag_error(&b->m->diags, at, 1,
                           "the template '%s' cannot be read (%s): expected %s.nspawn-args in "
                           "/etc/berth/nspawn-templates or " BERTH_DATADIR "/nspawn-templates",
                           name, strerrorname_np(-r), name);
        for (rest = r < 0 ? NULL : text; rest && (line = strsep(&rest, "\n"));) {
                size_t n;

                line += strspn(line, " \t");
                n = strlen(line);
                while (n > 0 && strchr(" \t\r", line[n - 1]))
                        line[--n] = '\0';
                if (*line == '\0' || *line == '#')
                        continue;
                if (is_argument(line)) {
                        text_add(&b->args, " ");
                        unit_word(&b->args, line, UNIT_LITERAL);
                } else
                        diag_error(&b->m->diags, at, 1,
                                   "the template '%s' has '%s', which is no long option of systemd-nspawn, or one that "
                                   "Berth gives itself; remove it",
                                   name, DIAG_CLIP(line));
        }
        return 0;
}

/* systemd-nspawn(1): in paths of --bind= a colon is written with a backslash. */
static void add_path(Text *t, const char *path) {
        for (; *path; path++) {
                if (*path == ':' || *path == '\\')
                        text_add(t, "\\");
                text_add_bytes(t, path, 1);
        }
}

static int add_mount(Boot *b, const Mount *mount) {
        _cleanup_text_ Text t = { 0 };
        _cleanup_free_ char *value = NULL;
        bool bind = streq(mount->type, "bind"), tmpfs = streq(mount->type, "tmpfs");
        int r;

        if ((!bind && !tmpfs) || mount->id_map || mount->subpath ||
            (mount->create && !streq(mount->create, "no")) || mount->file_type || mount->recursive) {
                diag_error(&b->m->diags, mount->line, 1,
                           "with Boot=yes mounts are of Type=bind or tmpfs, with Source=, Target=, ReadOnly= and "
                           "Options= alone");
                return 0;
        }
        if (bind) {
                add_path(&t, mount->source);
                text_add(&t, ":");
        }
        add_path(&t, mount->target);
        if (tmpfs && mount->options)
                text_addf(&t, ":%s", mount->options);
        r = text_take(&t, &value, NULL);
        if (r >= 0)
                add_arg(b,
                        tmpfs                                                ? "--tmpfs="
                        : mount->read_only && streq(mount->read_only, "yes") ? "--bind-ro="
                                                                             : "--bind=",
                        value);
        return r;
}

static int add_environment(Boot *b) {
        StoreValue v;

        for (unsigned i = 0; store_get(b->m->store, "Container", "Environment", i, &v); i++) {
                _cleanup_strv_ char **words = NULL;
                WordsError error;
                int r = words_split(v.text, &words, &error);

                if (r < 0)
                        return r; /* types.c let it in: only memory is left */
                for (size_t j = 0; words && words[j]; j++)
                        add_arg(b, "--setenv=", words[j]);
        }
        return 0;
}

static int build_args(Boot *b) {
        const char *hostname = store_text(b->m->store, "Container", "Hostname");
        int r;

        add_arg(b, "--machine=", b->machine);
        add_image(b);
        r = add_template(b);
        if (r >= 0 && hostname)
                add_arg(b, "--hostname=", hostname);
        if (r >= 0)
                r = add_environment(b);
        for (size_t i = 0; r >= 0 && i < b->m->mounts.n; i++)
                r = add_mount(b, &b->m->mounts.list[i]);
        if (r >= 0 && b->args.size > UNIT_LINE_MAX / 2)
                diag_error(&b->m->diags, 0, 0,
                           "the command of systemd-nspawn is longer than 512 KiB; shorten it");
        return r < 0 || b->args.failed ? -ENOMEM : 0;
}

/* ExecStart= of either unit where something is wrong. */
static int add_refusal(Boot *b, Text *text) {
        _cleanup_text_ Text line = { 0 };
        int r = command_refuse(b->m, &line);

        if (r < 0)
                return r;
        text_addf(text, "RestartPreventExitStatus=%d\nExecStart=:" PROGRAM " refuse", EXIT_BERTH);
        text_add_bytes(text, line.data, line.size);
        text_add(text, "\n");
        return 0;
}

/* Everything but the commands, which may depend on errors that this finds. */
static int build_dropin(Boot *b, Text *text) {
        const char *image = store_text(b->m->store, "Container", "Image");
        _cleanup_free_ char *path = NULL;
        Pass pass = { b->m, b->world, text };
        int r;

        r = pass_head(&pass, NULL);
        if (r < 0)
                return r;
        r = specifier_bind(image && image[0] == '/' ? image : BERTH_DATA_DIR, b->unit, &path);
        if (r < 0)
                return r;
        text_addf(text, "PartOf=%s.service\nWants=%s.service\nRequiresMountsFor=", b->m->name, b->m->name);
        unit_word(text, path, UNIT_SPECIFIERS);
        text_add(text, "\n");
        r = pass_section(&pass, "Unit", NULL);
        if (r < 0)
                return r;
        unit_section(text, "Service");
        r = pass_section(&pass, "Service", NULL);
        if (r >= 0)
                directives_add(b->m, text);
        return r;
}

static int build_stand_in(Boot *b, Text *text) {
        Pass pass = { b->m, b->world, text };
        StoreValue v;
        int r;

        r = pass_head(&pass, manifest_directive(b->m, "Unit", "Description", &v) < 0 ? " (berth)" : NULL);
        if (r < 0)
                return r;
        if (manifest_directive(b->m, "Unit", "Description", &v) >= 0)
                (void) unit_line(text, "Description", v.text);
        /* With errors it does not need the machine: a start tells them here, and not that a dependency failed. */
        text_addf(text, "%s=systemd-nspawn@%s.service\nAfter=systemd-nspawn@%s.service\n",
                  b->m->diags.errors > 0 ? "StopPropagatedFrom" : "BindsTo", b->machine, b->machine);
        unit_section(text, "Service");
        text_add(text, "Type=oneshot\nRemainAfterExit=yes\n");
        if (b->m->diags.errors > 0)
                r = add_refusal(b, text);
        else
                text_add(text, "ExecStart=/bin/true\n");
        unit_section(text, "X-Berth");
        text_add(text, "Format=1\n");
        return r;
}

static int finish_dropin(Boot *b, Text *text, Further *further) {
        char *path = NULL;
        StoreValue v;
        int r = 0;

        text_add(text, "ExecStart=\n");
        if (b->m->diags.errors > 0) /* no restart mends it */
                r = add_refusal(b, text);
        else {
                /* or what its console shows could be an emergency to the host, see translate.c */
                if (manifest_directive(b->m, "Service", "SyslogLevelPrefix", &v) < 0)
                        text_add(text, "SyslogLevelPrefix=no\n");
                text_add(text, "ExecStart=:" NSPAWN " --quiet --keep-unit --boot --settings=no");
                text_add_bytes(text, b->args.data, b->args.size);
                text_add(text, "\n");
        }
        if (r >= 0 && asprintf(&path, "systemd-nspawn@%s.service.d/50-berth.conf", b->machine) < 0)
                path = NULL;
        return r < 0 ? r : further_add(further, path, text);
}

static void boot_done(Boot *b) {
        text_done(&b->args);
}

static void set_machine(Boot *b) {
        if (endswith(b->m->name, "@"))
                snprintf(b->machine, sizeof(b->machine), "%.*s", (int) strlen(b->m->name) - 1, b->m->name);
        else
                name_to_machine(b->m->name, b->machine);
}

int boot_keep(Manifest *m, const World *world, const char *unit, Further *further) {
        _cleanup_(boot_done) Boot b = { .m = m, .world = world, .unit = unit };
        _cleanup_text_ Text dropin = { 0 };
        int r;

        assert(m->diags.errors > 0);
        if (endswith(m->name, "@")) /* a template makes no machine */
                return 0;
        set_machine(&b);
        r = build_dropin(&b, &dropin);
        return r < 0 ? r : finish_dropin(&b, &dropin, further);
}

int boot_translate(Manifest *m, const World *world, Service *ret) {
        _cleanup_(boot_done) Boot b = { .m = m, .world = world };
        _cleanup_(service_done) Service service = { 0 };
        _cleanup_text_ Text dropin = { 0 }, text = { 0 };
        int r;

        if (asprintf(&service.unit, "%s.service", m->name) < 0) {
                service.unit = NULL;
                return -ENOMEM;
        }
        b.unit = service.unit;
        set_machine(&b);
        check_keys(&b);
        r = build_args(&b);
        if (r >= 0)
                r = build_dropin(&b, &dropin);
        if (r >= 0)
                r = install_build(m, world, service.unit, &service.further, &service.links);
        diags_sort(&m->diags);
        if (r >= 0)
                r = build_stand_in(&b, &text);
        if (r >= 0 && !endswith(m->name, "@")) /* a template makes no machine */
                r = finish_dropin(&b, &dropin, &service.further);
        if (r >= 0)
                r = text_take(&text, &service.text, &service.size);
        if (r < 0 || m->diags.failed)
                return -ENOMEM;
        *ret = service;
        service = (Service){ 0 };
        return 0;
}
