/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Volume=, Mount=, Tmpfs= and what a read-only root gets: to Volume= and [Mount NAME]. */

#include <stdio.h>

#include "common/strv.h"
#include "generator/carry.h"
#include "generator/mount.h"
#include "generator/types.h"

/* One mount of podman's, in either spelling. */
typedef struct Wanted {     /* borrows */
        const char *type;   /* volume, bind, tmpfs */
        const char *source; /* NULL: none */
        const char *target;
        bool read_only, id_map_auto;
        Text options; /* of tmpfs; owned */
} Wanted;

static void wanted_done(Wanted *w) {
        text_done(&w->options);
}

/* Takes the target for this setting. false: another one has it, which is told. */
static bool take_target(Carry *c, const QuadletSetting *s, const char *target) {
        _cleanup_free_ char *canonical = strdup(target);
        size_t n = 0;

        if (!canonical) {
                c->failed = true;
                return false;
        }
        for (const char *from = target; *from; from++) /* "//a/" is "/a" */
                if (from[0] != '/' || n == 0 || canonical[n - 1] != '/')
                        canonical[n++] = *from;
        while (n > 1 && canonical[n - 1] == '/')
                n--;
        canonical[n] = '\0';
        if (strv_contains(c->targets, canonical)) {
                carry_warning(c, s, "%s= is not carried over: something is mounted at '%s' already", s->key,
                              DIAG_CLIP(target));
                return false;
        }
        if (strv_append(&c->targets, canonical) < 0)
                c->failed = true;
        return true;
}

/* A name for the mount at target, of this container alone: "/var/lib/data" is "var-lib-data". */
static void mount_name(Carry *c, const char *target, char ret[static NAME_LENGTH_MAX + 8]) {
        char name[NAME_LENGTH_MAX + 1];

        name_suggest(target, name);
        if (startswith(name, "my-") && name_reserved(name + 3)) /* no unit: any name will do */
                memmove(name, name + 3, strlen(name + 3) + 1);
        if (name[0] == '\0')
                strcpy(name, "mount");
        snprintf(ret, NAME_LENGTH_MAX + 8, "%s", name);
        for (unsigned i = 2; strv_contains(c->mounts, ret) && i < 10000; i++)
                snprintf(ret, NAME_LENGTH_MAX + 8, "%s-%u", name, i);
        if (strv_append(&c->mounts, ret) < 0)
                c->failed = true;
}

/* Will our checks take it? Tells if not. */
static bool acceptable(Carry *c, const QuadletSetting *s, const Wanted *w) {
        _cleanup_free_ char *error = NULL;
        int r;

        if (!carry_one_line(w->target) || (w->source && !carry_one_line(w->source))) {
                carry_warning(c, s, "%s= is not carried over: its paths cannot stand on one line of UTF-8",
                              s->key);
                return false;
        }
        r = mount_check_target(w->target, &error);

        if (r >= 0 && streq(w->type, "bind"))
                r = mount_check_specifiers(w->source, &error);
        if (r >= 0 && streq(w->type, "bind"))
                r = type_check_path(w->source, &error);
        if (r >= 0 && streq(w->type, "volume"))
                r = mount_check_volume(w->source, &error);
        if (r >= 0 && w->options.size > 0) {
                _cleanup_free_ char *canonical = NULL;

                r = mount_parse_options(w->options.data, &canonical, &error);
        }
        if (r == -ENOMEM || w->options.failed)
                c->failed = true;
        else if (r < 0)
                carry_warning(c, s, "%s= is not carried over: %s", s->key, error ? error : "it is no mount");
        return r >= 0;
}

/* Returns whether it was written. */
static bool put_mount(Carry *c, const QuadletSetting *s, const Wanted *w) {
        _cleanup_text_ Text t = { 0 };
        char name[NAME_LENGTH_MAX + 8];

        if (!acceptable(c, s, w) || !take_target(c, s, w->target))
                return false;
        if (streq(w->type, "volume")) {
                _cleanup_free_ char *text = NULL;

                if (asprintf(&text, "%s:%s%s%s", w->source, w->target, w->read_only ? ":ro" : "",
                             w->id_map_auto ? ":idmap=auto" : "") < 0) {
                        text = NULL;
                        c->failed = true;
                }
                carry_put(c, s, CARRY_CONTAINER, "Volume", text);
                return text != NULL;
        }
        mount_name(c, w->target, name);
        text_addf(&t, "[Mount %s]\nType=%s\n", name, w->type);
        if (w->source)
                text_addf(&t, "Source=%s\n", w->source);
        text_addf(&t, "Target=%s\n", w->target);
        if (w->read_only)
                text_add(&t, "ReadOnly=yes\n");
        if (w->id_map_auto)
                text_add(&t, "IDMap=auto\n");
        if (w->options.size > 0)
                text_addf(&t, "Options=%s\n", w->options.data);
        carry_line(c, CARRY_MOUNTS, s, &t);
        return true;
}

/* One option of a mount, in the words of -v and --mount. */
static void take_option(Carry *c, const QuadletSetting *s, Wanted *w, const char *option) {
        static const char *const nothing[] = {
                "rw",
                "z",
                "Z",
                "rbind",
                "bind",
                "private",
                "rprivate",
                "relabel=shared",
                "relabel=private",
                "dev",
                "exec",
                "suid",
                "readonly=false",
                "ro=false",
                "rw=true",
                "copy",
                "bind-propagation=rprivate",
                "bind-propagation=private",
                "notmpcopyup",
                "idmap",
                "nosuid",
                "nodev",
                "async",
        };
        const char *value;

        if (option[0] == '\0')
                return;
        for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
                if (streq(option, nothing[i]))
                        return;
        if (streq(option, "ro") || streq(option, "readonly") || streq(option, "ro=true") ||
            streq(option, "readonly=true") || streq(option, "rw=false"))
                w->read_only = true;
        else if ((streq(option, "U") || streq(option, "U=true") || streq(option, "chown") ||
                  streq(option, "chown=true")) &&
                 !streq(w->type, "tmpfs")) {
                w->id_map_auto = true;
                carry_note(c, s,
                           "%s=: instead of changing the owner of all files, IDMap=auto shows them as the user's own",
                           s->key);
        } else if (streq(w->type, "tmpfs") &&
                   ((value = startswith(option, "size=")) || (value = startswith(option, "tmpfs-size=")))) {
                char size[32];

                if (carry_size(value, size))
                        text_addf(&w->options, "%ssize=%s", w->options.size > 0 ? "," : "", size);
                else
                        carry_warning(c, s, "%s=: '%s' is not carried over: it is no size", s->key,
                                      DIAG_CLIP(option));
        } else if (streq(w->type, "tmpfs") &&
                   (startswith(option, "mode=") || startswith(option, "uid=") ||
                    startswith(option, "gid=") || startswith(option, "nr_inodes=")))
                text_addf(&w->options, "%s%s", w->options.size > 0 ? "," : "", option);
        else if (streq(w->type, "tmpfs") && (value = startswith(option, "tmpfs-mode=")))
                text_addf(&w->options, "%smode=%s", w->options.size > 0 ? "," : "", value);
        else
                carry_warning(c, s, "%s=: '%s' is not carried over: mounts have no such option", s->key,
                              DIAG_CLIP(option));
}

/* Options with commas between. */
static void take_options(Carry *c, const QuadletSetting *s, Wanted *w, char *options) {
        char *save = NULL;

        for (char *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save))
                take_option(c, s, w, o);
}

/* Does a container's setting mount that volume? The volume is known by its name or its file. */
static bool mounts_volume(const QuadletSetting *s, const char *volume) {
        const char *at = volume[0] != '\0' ? strstr(s->value, volume) : NULL;
        size_t n = strlen(volume);

        if (streq(s->key, "Volume"))
                return at == s->value && s->value[n] == ':';
        for (; streq(s->key, "Mount") && at; at = strstr(at + 1, volume))
                if (at > s->value && at[-1] == '=' && (at[n] == ',' || at[n] == '\0'))
                        return true;
        return false;
}

static bool uses_volume(const Quadlet *q, const char *section, const char *volume) {
        for (size_t i = 0; i < q->n; i++)
                if (streq(q->list[i].section, section) && mounts_volume(&q->list[i], volume))
                        return true;
        return false;
}

/* The container whose volume it is: the first of its users by name, templates last. Volumes belong to containers,
 * others name the owner. */
static const Quadlet *volume_owner(Carry *c, const char *volume) {
        const Quadlet *owner = c->q;

        for (size_t i = 0; i < c->all->n; i++) {
                const Quadlet *q = c->all->list[i];
                const QuadletSetting *pod = quadlet_last(q, "Container", "Pod");
                const Quadlet *its_pod = pod ? quadlets_find(c->all, pod->value) : NULL;
                bool template = strchr(q->name, '@'), owner_template = strchr(owner->name, '@');

                if (q->kind != QUADLET_CONTAINER || q->name[0] == '\0' ||
                    !(uses_volume(q, "Container", volume) ||
                      (its_pod && uses_volume(its_pod, "Pod", volume))))
                        continue;
                if ((owner_template && !template) ||
                    (owner_template == template && strcmp(q->name, owner->name) < 0))
                        owner = q;
        }
        return owner;
}

/* What a .volume names: the volume's name with us, or the path that it binds in *ret_bind. NULL: told to be lost. */
static char *resolve_volume(Carry *c, const QuadletSetting *s, const char *source, const char **ret_bind) {
        const Quadlet *unit = quadlets_find(c->all, source);
        const QuadletSetting *device, *type, *driver;
        char *name;

        *ret_bind = NULL;
        if (!unit) {
                carry_error(c, s,
                            "%s= names '%s', which is not there; name it as well, or put it beside this file",
                            s->key, DIAG_CLIP(source));
                return NULL;
        }
        device = quadlet_last(unit, "Volume", "Device");
        type = quadlet_last(unit, "Volume", "Type");
        driver = quadlet_last(unit, "Volume", "Driver");
        if (device && type && (streq(type->value, "bind") || streq(type->value, "none")))
                *ret_bind = device->value;
        else if (device || (driver && !streq(driver->value, "local"))) {
                carry_warning(c, s,
                              "%s= is not carried over: '%s' is no plain volume; mount it by a .mount unit, and that "
                              "path by a [Mount NAME] with Type=bind",
                              s->key, DIAG_CLIP(source));
                return NULL;
        }
        name = strndup(unit->stem, strcspn(unit->stem, "@"));
        if (!name)
                c->failed = true;
        return name;
}

/* A named volume, of podman or of a .volume. */
static void put_volume(Carry *c, const QuadletSetting *s, Wanted *w) {
        _cleanup_free_ char *name = NULL, *text = NULL, *path = NULL;
        const char *bind = NULL;
        const Quadlet *owner;

        if (quadlet_kind_from_name(w->source) == QUADLET_VOLUME) {
                name = resolve_volume(c, s, w->source, &bind);
                if (!name)
                        return;
        } else if (!(name = strdup(w->source))) {
                c->failed = true;
                return;
        }
        if (bind) {
                path = carry_path(c, s, bind);
                w->type = "bind";
                w->source = path;
                if (path)
                        (void) put_mount(c, s, w);
                return;
        }
        owner = volume_owner(c, w->source);
        if (owner != c->q && strchr(owner->name, '@')) {
                carry_warning(c, s,
                              "%s= is not carried over: '%s' is shared by templates, and a volume belongs to one "
                              "container",
                              s->key, DIAG_CLIP(w->source));
                return;
        }
        if (asprintf(&text, "%s%s%s", owner == c->q ? "" : owner->name, owner == c->q ? "" : ":", name) <
            0) {
                text = NULL;
                c->failed = true;
                return;
        }
        w->source = text;
        if (put_mount(c, s, w) && owner == c->q)
                carry_note(c, s,
                           "the volume '%s' begins empty; copy what podman's holds (podman volume export) to "
                           "/var/lib/berth/volumes/%s/%s",
                           DIAG_CLIP(name), c->q->name, DIAG_CLIP(name));
}

/* A volume without a name is new at each start: the container's own root is that, unless it is read-only. */
static void put_anonymous(Carry *c, const QuadletSetting *s, Wanted *w) {
        const QuadletSetting *read_only = quadlet_last(c->q, "Container", "ReadOnly");

        if (!read_only || quadlet_bool(read_only) != 1)
                return;
        w->type = "tmpfs";
        if (put_mount(c, s, w))
                carry_note(c, s, "%s=: a volume without a name is new at each start; here it is memory",
                           s->key);
}

static void put_bind(Carry *c, const QuadletSetting *s, Wanted *w) {
        _cleanup_free_ char *path = carry_path(c, s, w->source);

        if (!path)
                return;
        w->type = "bind";
        w->source = path;
        if (strstr(path, "podman.sock") || strstr(path, "docker.sock"))
                carry_note(c, s, "%s=: behind '%s' is podman, which knows nothing of Berth's containers",
                           s->key, DIAG_CLIP(path));
        (void) put_mount(c, s, w);
}

void carry_volume(Carry *c, const QuadletSetting *s, const CarryRow *row _unused_) {
        _cleanup_(wanted_done) Wanted w = { .type = "volume" };
        _cleanup_free_ char *value = NULL, *text = NULL;
        char *target, *options = NULL;

        if (quadlet_string(s, &value) < 0 || !(text = carry_text(c, s, value))) {
                c->failed = true;
                return;
        }
        target = strchr(text, ':');
        if (target) {
                *target++ = '\0';
                w.source = text[0] != '\0' ? text : NULL;
                options = strchr(target, ':');
        } else
                target = text;
        if (options)
                *options++ = '\0';
        w.target = target;
        if (options)
                take_options(c, s, &w, options);
        if (!w.source)
                put_anonymous(c, s, &w);
        else if (w.source[0] == '/' || w.source[0] == '.' || (w.source[0] == '%' && w.source[1] != '%'))
                put_bind(c, s, &w);
        else
                put_volume(c, s, &w);
}

/* The next field of a line of CSV, in place, or NULL. */
static char *csv_next(char **at) {
        char *s = *at, *to, *begin;

        if (!s)
                return NULL;
        if (*s != '"') {
                char *comma = strchr(s, ',');

                if (comma)
                        *comma = '\0';
                *at = comma ? comma + 1 : NULL;
                return s;
        }
        begin = to = s;
        for (s++; *s != '\0' && !(s[0] == '"' && s[1] != '"');) {
                if (s[0] == '"')
                        s++;
                *to++ = *s++;
        }
        if (*s == '"')
                s++;
        *at = *s == ',' ? s + 1 : NULL;
        *to = '\0';
        return begin;
}

/* Takes one field of --mount, borrowing from it. */
static void take_field(Carry *c, const QuadletSetting *s, Wanted *w, const char *field) {
        static const char *const sources[] = { "source=", "src=" }, *const targets[] = { "destination=",
                                                                                         "dst=", "target=" };

        for (size_t i = 0; i < ARRAY_LEN(sources); i++)
                if (startswith(field, sources[i])) {
                        w->source = field + strlen(sources[i]);
                        return;
                }
        for (size_t i = 0; i < ARRAY_LEN(targets); i++)
                if (startswith(field, targets[i])) {
                        w->target = field + strlen(targets[i]);
                        return;
                }
        if (!startswith(field, "type="))
                take_option(c, s, w, field);
}

/* A word of Mount=: fields of CSV. The type may stand anywhere, and decides what options mean. */
static void mount_word(Carry *c, const QuadletSetting *s, char *word) {
        _cleanup_(wanted_done) Wanted w = { .type = "volume" };
        _cleanup_strv_ char **fields = NULL;

        for (char *at = word, *field; (field = csv_next(&at));)
                if (strv_append(&fields, field) < 0) {
                        c->failed = true;
                        return;
                }
        for (char **field = fields; field && *field; field++)
                if (startswith(*field, "type="))
                        w.type = startswith(*field, "type=");
        if (streq(w.type, "ramfs"))
                w.type = "tmpfs";
        if (!streq(w.type, "volume") && !streq(w.type, "bind") && !streq(w.type, "tmpfs")) {
                bool source = false;

                for (char **field = fields; *field; field++)
                        source = source || startswith(*field, "source=") || startswith(*field, "src=");
                if (streq(w.type, "devpts")) /* every container has its own at /dev/pts */
                        return;
                if (!source)
                        carry_error(c, s, "Mount= has no source=, which type=%s must have",
                                    DIAG_CLIP(w.type));
                else
                        carry_warning(c, s,
                                      "Mount= is not carried over: there is no type=%s; import it and mount its "
                                      "directory by a [Mount NAME] with Type=bind",
                                      DIAG_CLIP(w.type));
                return;
        }
        for (char **field = fields; field && *field; field++)
                take_field(c, s, &w, *field);
        if (w.source && w.source[0] == '\0')
                w.source = NULL;
        if (!w.target)
                carry_error(c, s, "Mount= has no destination=; add it");
        else if (streq(w.type, "tmpfs")) {
                w.source = NULL;
                (void) put_mount(c, s, &w);
        } else if (streq(w.type, "bind") && !w.source)
                carry_error(c, s, "Mount= has no source=, which type=bind must have");
        else if (!w.source)
                put_anonymous(c, s, &w);
        else if (streq(w.type, "bind"))
                put_bind(c, s, &w);
        else
                put_volume(c, s, &w);
}

void carry_mount(Carry *c, const QuadletSetting *s, const CarryRow *row _unused_) {
        _cleanup_strv_ char **list = carry_words(c, s);

        for (char **word = list; word && *word; word++)
                mount_word(c, s, *word);
}

void carry_tmpfs(Carry *c, const QuadletSetting *s, const CarryRow *row _unused_) {
        _cleanup_(wanted_done) Wanted w = { .type = "tmpfs" };
        _cleanup_free_ char *value = NULL, *text = NULL;
        char *options;

        if (quadlet_string(s, &value) < 0 || !(text = carry_text(c, s, value))) {
                c->failed = true;
                return;
        }
        options = strchr(text, ':');
        if (options)
                *options++ = '\0';
        w.target = text;
        if (options)
                take_options(c, s, &w, options);
        (void) put_mount(c, s, &w);
}

/* Adds memory at a path where nothing else is mounted. */
static void put_memory(Carry *c, const QuadletSetting *s, const char *target, const char *options) {
        _cleanup_(wanted_done) Wanted w = { .type = "tmpfs", .target = target };

        if (strv_contains(c->targets, target))
                return;
        text_add(&w.options, options);
        (void) put_mount(c, s, &w);
}

void carry_read_only_tmpfs(Carry *c) {
        const QuadletSetting *read_only = quadlet_last(c->q, "Container", "ReadOnly"),
                             *memory = quadlet_last(c->q, "Container", "ReadOnlyTmpfs"),
                             *volatile_tmp = quadlet_last(c->q, "Container", "VolatileTmp");

        if (read_only && quadlet_bool(read_only) == 1) {
                if (memory && quadlet_bool(memory) != 1)
                        return;
                put_memory(c, read_only, "/run", "mode=755");
                put_memory(c, read_only, "/tmp", "mode=1777");
                put_memory(c, read_only, "/var/tmp", "mode=1777");
                carry_note(c, read_only,
                           "ReadOnly=: podman puts memory at /run, /tmp and /var/tmp, and so does this");
        } else if (volatile_tmp && quadlet_bool(volatile_tmp) == 1)
                put_memory(c, volatile_tmp, "/tmp", "size=512M,mode=1777");
}
