/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/mount.h"

#include <stdio.h>

#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "generator/diag.h"
#include "generator/specifier.h"
#include "generator/text.h"
#include "generator/types.h"

/* user_namespaces(7): the kernel takes at most this many lines in a map. */
#define ID_RANGES_MAX 340

void mount_done(Mount *m) {
        free(m->type);
        free(m->source);
        free(m->target);
        free(m->read_only);
        free(m->create);
        free(m->file_type);
        free(m->id_map);
        free(m->options);
        free(m->subpath);
        free(m->recursive);
        *m = (Mount){ 0 };
}

/* A mount is one word of fields: what a specifier becomes must not hold a comma. All others are names, paths of
 * systemd's own or made of the unit's name, which the helper checks; the pretty host name is anything. */
int mount_check_specifiers(const char *s, char **reterr) {
        int r = type_check_specifiers(s, reterr);

        if (r < 0)
                return r;
        for (s = strchr(s, '%'); s; s = strchr(s + 2, '%'))
                if (s[1] == 'q')
                        return type_complain(reterr, "'%%q' can be any text and may not stand in a mount; "
                                                     "use another specifier");
        return 0;
}

int mount_check_target(const char *target, char **reterr) {
        int r;

        r = mount_check_specifiers(target, reterr);
        if (r < 0)
                return r;
        r = type_check_path(target, reterr);
        if (r < 0)
                return r;
        if (target[strspn(target, "/")] == '\0')
                return type_complain(
                                reterr,
                                "the target is '/', the root itself; name a directory or file below it");
        return 0;
}

/* VOLUME or OTHER:VOLUME, where OTHER is a container. */
int mount_check_volume(const char *source, char **reterr) {
        _cleanup_free_ char *sample = NULL;
        char *volume;
        int r;

        r = mount_check_specifiers(source, reterr);
        if (r < 0)
                return r;
        r = specifier_sample(source, &sample);
        if (r < 0)
                return r;
        if (sample[0] == '/')
                return type_complain(
                                reterr,
                                "'%s' is a path, not a volume; to mount a path of the host use a section "
                                "[Mount NAME] with Type=bind",
                                DIAG_CLIP(source));
        volume = strchr(sample, ':');
        if (volume) {
                *volume++ = '\0';
                if (!name_valid(sample, false))
                        return type_complain(reterr,
                                             "'%s' does not begin with a container's name; write "
                                             "OTHER:VOLUME",
                                             DIAG_CLIP(source));
        }
        if (!volume_name_valid(volume ? volume : sample))
                return type_complain(
                                reterr,
                                "'%s' is no name of a volume: letters, digits, '.', '_' and '-', a letter "
                                "or digit first, at most 128",
                                DIAG_CLIP(source));
        return 0;
}

int mount_check_pointer(const char *source, char **reterr) {
        int r = mount_check_volume(source, reterr);

        if (r >= 0 && !strchr(source, ':'))
                return type_complain(
                                reterr,
                                "'%s' names no container; write OTHER:VOLUME, or use Type=volume for one "
                                "of its own",
                                DIAG_CLIP(source));
        return r;
}

int mount_check_assets(const char *source, char **reterr) {
        if (strchr(source, ':'))
                return type_complain(
                                reterr,
                                "'%s' names a container, but assets belong to none; write the name alone",
                                DIAG_CLIP(source));
        return mount_check_volume(source, reterr);
}

int mount_check_subpath(const char *path, char **reterr) {
        _cleanup_free_ char *absolute = NULL;
        int r;

        if (path[0] == '/')
                return type_complain(reterr,
                                     "'%s' is absolute; write the path below the source, without '/' first",
                                     DIAG_CLIP(path));
        r = mount_check_specifiers(path, reterr);
        if (r < 0)
                return r;
        if (asprintf(&absolute, "/%s", path) < 0)
                return -ENOMEM;
        return type_check_path(absolute, reterr);
}

static int copy_part(const char *s, size_t n, char **ret) {
        *ret = strndup(s, n);
        return *ret ? 0 : -ENOMEM;
}

/* Reads "[:ro][:idmap=...]" at s. */
static int parse_volume_options(const char *s, Mount *m, char **reterr) {
        const char *rest;
        int r;

        rest = startswith(s, ":ro");
        if (rest && (*rest == '\0' || *rest == ':')) {
                r = copy_part("yes", 3, &m->read_only);
                if (r < 0)
                        return r;
                s = rest;
        }
        rest = startswith(s, ":idmap=");
        if (rest) {
                r = mount_parse_id_map(rest, &m->id_map, reterr);
                if (r == -EINVAL && !*reterr)
                        return type_complain(reterr, "'%s' is no id map: expected %s", DIAG_CLIP(rest),
                                             type_id_map.expected);
                if (r < 0)
                        return r;
        } else if (*s != '\0')
                return type_complain(reterr,
                                     "'%s' behind the target is unknown; write :ro, :idmap=... or both in "
                                     "that order",
                                     DIAG_CLIP(s));
        return 0;
}

int mount_parse_volume(const char *value, Mount *ret, char **reterr) {
        _cleanup_(mount_done) Mount m = { 0 };
        const char *target;
        int r;

        if (value[0] == '/')
                return mount_check_volume(value, reterr); /* tells what to use */
        target = strstr(value, ":/");
        if (!target || target == value)
                return type_complain(
                                reterr,
                                "'%s' has no volume or no target; write VOLUME:/target[:ro][:idmap=...]",
                                DIAG_CLIP(value));
        r = copy_part(value, (size_t) (target - value), &m.source);
        if (r >= 0)
                r = copy_part(target + 1, strcspn(target + 1, ":"), &m.target);
        if (r >= 0)
                r = copy_part("volume", 6, &m.type);
        if (r >= 0)
                r = mount_check_volume(m.source, reterr);
        if (r >= 0)
                r = mount_check_target(m.target, reterr);
        if (r >= 0)
                r = parse_volume_options(target + 1 + strlen(m.target), &m, reterr);
        if (r < 0)
                return r;
        *ret = m;
        m = (Mount){ 0 };
        return 0;
}

int mount_parse_id_map(const char *value, char **ret, char **reterr) {
        _cleanup_free_ IdRange *ranges = NULL;
        _cleanup_text_ Text canonical = { 0 };
        size_t n = 0;

        if (streq(value, "auto"))
                return copy_part(value, 4, ret);
        ranges = calloc(ID_RANGES_MAX, sizeof(IdRange));
        if (!ranges)
                return -ENOMEM;
        for (const char *s = value + strspn(value, " \t"); *s; s += strspn(s, " \t")) {
                _cleanup_free_ char *word = NULL;
                int r = copy_part(s, strcspn(s, " \t"), &word);

                if (r < 0)
                        return r;
                if (n >= ID_RANGES_MAX)
                        return type_complain(reterr, "more than %d ranges, which the kernel does not take",
                                             ID_RANGES_MAX);
                if (parse_id_range(word, &ranges[n]) < 0)
                        return type_complain(reterr,
                                             "'%s' is no range of ids; write [u:|g:|b:]HOST:CONTAINER:RANGE",
                                             DIAG_CLIP(word));
                for (size_t i = 0; i < n; i++)
                        if (id_range_overlap(&ranges[i], &ranges[n]))
                                return type_complain(reterr,
                                                     "'%s' overlaps a range before it; give each id once",
                                                     DIAG_CLIP(word));
                text_addf(&canonical, "%s%s", n > 0 ? " " : "", word);
                s += strlen(word);
                n++;
        }
        return n == 0 ? -EINVAL : text_take(&canonical, ret, NULL);
}

/* One "name=value" of tmpfs(5)'s options. */
static int parse_option(const char *option, Text *canonical, char **reterr) {
        const char *value;
        uint64_t v;
        uint32_t id;

        value = startswith(option, "size=");
        if (value) {
                if (parse_size(value, &v) < 0 || v == 0)
                        return type_complain(reterr, "'%s': expected %s", DIAG_CLIP(option),
                                             type_size.expected);
                text_addf(canonical, "size=%llu", (unsigned long long) v);
                return 0;
        }
        value = startswith(option, "mode=");
        if (value) {
                if (strlen(value) < 3 || strlen(value) > 4 || strspn(value, "01234567") != strlen(value))
                        return type_complain(reterr, "'%s': expected three or four octal digits",
                                             DIAG_CLIP(option));
                text_add(canonical, option);
                return 0;
        }
        value = startswith(option, "nr_inodes=");
        if (value) {
                if (parse_uint64(value, &v) < 0 || v == 0)
                        return type_complain(reterr, "'%s': expected a number above 0", DIAG_CLIP(option));
                text_add(canonical, option);
                return 0;
        }
        value = startswith(option, "uid=");
        value = value ? value : startswith(option, "gid=");
        if (!value)
                return type_complain(reterr, "unknown option '%s': expected %s", DIAG_CLIP(option),
                                     type_mount_options.expected);
        if (parse_id(value, &id) < 0)
                return type_complain(reterr, "'%s': expected a number from 0 to 4294967294",
                                     DIAG_CLIP(option));
        text_add(canonical, option);
        return 0;
}

int mount_parse_options(const char *value, char **ret, char **reterr) {
        _cleanup_text_ Text canonical = { 0 };
        _cleanup_strv_ char **seen = NULL;

        for (const char *s = value;; s++) {
                _cleanup_free_ char *option = NULL;
                char *name;
                int r = copy_part(s, strcspn(s, ","), &option);

                if (r < 0)
                        return r;
                if (s != value)
                        text_add(&canonical, ",");
                r = parse_option(option, &canonical, reterr);
                if (r < 0)
                        return r;
                s += strlen(option);
                name = option;
                name[strcspn(name, "=")] = '\0';
                if (strv_contains(seen, name))
                        return type_complain(reterr, "'%s=' stands twice; give it once", name);
                r = strv_append(&seen, name);
                if (r < 0)
                        return r;
                if (*s == '\0')
                        return text_take(&canonical, ret, NULL);
        }
}

/* Takes "ro" and "rw" off the options, which are not those of the file system. */
static int take_access(const char *options, Mount *m, char **ret_rest) {
        _cleanup_free_ char *copy = strdup(options);
        _cleanup_text_ Text rest = { 0 };
        char *left = copy, *option;
        int r = 0;

        if (!copy)
                return -ENOMEM;
        while (r >= 0 && (option = strsep(&left, ","))) {
                if (streq(option, "ro") && !m->read_only)
                        r = copy_part("yes", 3, &m->read_only);
                else if (!streq(option, "rw"))
                        text_addf(&rest, "%s%s", rest.size > 0 ? "," : "", option);
        }
        if (r < 0 || (rest.size == 0 && !rest.failed))
                return r;
        return text_take(&rest, ret_rest, NULL);
}

int mount_parse_tmpfs(const char *word, Mount *ret, char **reterr) {
        _cleanup_(mount_done) Mount m = { 0 };
        _cleanup_free_ char *options = NULL;
        size_t n = strcspn(word, ":");
        int r;

        r = copy_part(word, n, &m.target);
        if (r >= 0)
                r = copy_part("tmpfs", strlen("tmpfs"), &m.type);
        if (r >= 0)
                r = mount_check_target(m.target, reterr);
        if (r >= 0 && word[n] == ':')
                r = take_access(word + n + 1, &m, &options);
        if (r >= 0 && options)
                r = mount_parse_options(options, &m.options, reterr);
        if (r < 0)
                return r;
        *ret = m;
        m = (Mount){ 0 };
        return 0;
}

/* Commas and backslashes of a field's value get a backslash (common/contract.h). */
static void add_field(Text *t, const char *name, const char *value) {
        if (!value)
                return;
        if (t->size > 0)
                text_add(t, ",");
        text_add(t, name);
        text_add(t, "=");
        for (;;) {
                size_t n = strcspn(value, ",\\");

                text_add_bytes(t, value, n);
                if (value[n] == '\0')
                        return;
                text_add(t, "\\");
                text_add_bytes(t, value + n, 1);
                value += n + 1;
        }
}

int mount_format(const Mount *m, char **ret) {
        _cleanup_text_ Text t = { 0 };
        char *rest = m->id_map;

        add_field(&t, "type", m->type);
        add_field(&t, "source", m->source);
        add_field(&t, "subpath", m->subpath);
        add_field(&t, "target", m->target);
        add_field(&t, "read-only", m->read_only);
        add_field(&t, "create", m->create);
        add_field(&t, "recursive", m->recursive);
        add_field(&t, "filetype", m->file_type);
        while (rest && *rest) { /* canonical: one blank between */
                size_t n = strcspn(rest, " ");

                text_add(&t, ",idmap=");
                text_add_bytes(&t, rest, n);
                rest += n + strspn(rest + n, " ");
        }
        add_field(&t, "options", m->options);
        return text_take(&t, ret, NULL);
}
