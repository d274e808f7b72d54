/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the container is made of and whom it runs as: Image=, Rootfs=, User=, and all keys of user namespaces. */

#include <stdio.h>

#include "common/parse.h"
#include "common/strv.h"
#include "generator/carry.h"

#define IMAGE_ID_MAX 128

/* The part of a reference that names the repository: its end, and where tag and digest begin ("" if none). */
static size_t repository_length(const char *reference, const char **ret_tag, const char **ret_digest) {
        const char *at = strchr(reference, '@'), *slash, *colon;
        size_t n = at ? (size_t) (at - reference) : strlen(reference);

        *ret_digest = at ? at + 1 : "";
        slash = memrchr(reference, '/', n);
        colon = memchr(slash ? slash : reference, ':',
                       n - (size_t) ((slash ? slash : reference) - reference));
        *ret_tag = colon ? colon + 1 : "";
        return colon ? (size_t) (colon - reference) : n;
}

/* Adds n bytes of s as letters of an image's id: lower case, "-" for what may not stand there. */
static void add_id(char id[static IMAGE_ID_MAX + 1], const char *s, size_t n) {
        size_t k = strlen(id);

        for (size_t i = 0; i < n && k < IMAGE_ID_MAX; i++) {
                char c = (char) (s[i] >= 'A' && s[i] <= 'Z' ? s[i] - 'A' + 'a' : s[i]);

                if (c == '%' && i + 1 < n && k + 2 <= IMAGE_ID_MAX) { /* a specifier stays what it is */
                        id[k++] = s[i++];
                        id[k++] = s[i];
                } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (k > 0 && strchr("._-", c)))
                        id[k++] = c;
                else if (k > 0)
                        id[k++] = '-';
        }
        id[k] = '\0';
}

/* "docker.io/library/nginx:1.27" is nginx-1.27; the whole path if path. */
static void image_id(const char *reference, bool path, char id[static IMAGE_ID_MAX + 1]) {
        const char *tag, *digest, *slash, *begin = reference;
        size_t n = repository_length(reference, &tag, &digest);

        id[0] = '\0';
        slash = memrchr(reference, '/', n);
        if (slash && !path)
                begin = slash + 1;
        add_id(id, begin, n - (size_t) (begin - reference));
        if (tag[0] != '\0' && strncmp(tag, "latest", strcspn(tag, "@")) != 0) {
                add_id(id, "-", 1);
                add_id(id, tag, strcspn(tag, "@"));
        } else if (digest[0] != '\0') {
                const char *hex = strchr(digest, ':');

                hex = hex ? hex + 1 : digest;
                add_id(id, "-", 1);
                add_id(id, hex, MIN(strlen(hex), (size_t) 12));
        }
}

/* Does another container use an image that is not this one, yet would have its id? */
static bool clashes(Carry *c, const char *reference, const char *id) {
        for (size_t i = 0; i < c->all->n; i++) {
                const QuadletSetting *s = quadlet_last(c->all->list[i], "Container", "Image");
                _cleanup_free_ char *value = NULL;
                char other[IMAGE_ID_MAX + 1];
                const char *plain;

                if (c->all->list[i] == c->q || c->all->list[i]->kind != QUADLET_CONTAINER || !s)
                        continue;
                if (quadlet_string(s, &value) < 0) {
                        c->failed = true;
                        return false;
                }
                plain = startswith(value, "docker://");
                plain = plain ? plain : value;
                image_id(plain, false, other);
                if (streq(other, id) && !streq(plain, reference))
                        return true;
        }
        return false;
}

/* Says how to get the image, since a start never fetches one. */
static void note_import(Carry *c, const QuadletSetting *s, const char *reference, const char *id) {
        const char *local = startswith(reference, "localhost/");

        if (local)
                carry_note(c, s,
                           "import the image: podman save --format oci-archive -o %s.tar %s && berth image import %s.tar "
                           "--name %s",
                           id, DIAG_CLIP(reference), id, id);
        else
                carry_note(c, s, "import the image: berth image import docker://%s --name %s",
                           DIAG_CLIP(reference), id);
}

/* What an .image or a .build makes: its name, or NULL with an error or a warning. */
static const char *resolve_image(Carry *c, const QuadletSetting *s, const char *file) {
        const Quadlet *unit = quadlets_find(c->all, file);
        const QuadletSetting *name;
        bool build = endswith(file, ".build");

        if (!unit) {
                carry_error(c, s,
                            "Image= names '%s', which is not there; name it as well, or put it beside this file",
                            DIAG_CLIP(file));
                return NULL;
        }
        if (build) {
                carry_warning(c, s, "Image=: Berth builds no images; build '%s' with podman, and import it",
                              DIAG_CLIP(file));
                for (size_t i = 0; i < unit->n; i++)
                        if (streq(unit->list[i].section, "Build") && streq(unit->list[i].key, "ImageTag"))
                                return unit->list[i].value;
                name = NULL;
        } else
                name = quadlet_last(unit, "Image", "Image");
        if (!name)
                carry_error(c, s, "'%s' has no %s=, and so no name", DIAG_CLIP(file),
                            build ? "ImageTag" : "Image");
        return name ? name->value : NULL;
}

void carry_image(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_free_ char *value = NULL, *text = NULL;
        const char *reference, *rest;
        char id[IMAGE_ID_MAX + 1];

        if (quadlet_string(s, &value) < 0 || !(text = carry_text(c, s, value))) {
                c->failed = true;
                return;
        }
        reference = text;
        if (endswith(reference, ".image") || endswith(reference, ".build")) {
                reference = resolve_image(c, s, reference);
                if (!reference)
                        return;
        }
        rest = startswith(reference, "docker://");
        if (rest)
                reference = rest;
        if (reference[0] == '/' || strstr(reference, ":/")) {
                carry_error(c, s,
                            "Image= is '%s', which is no name of an image; import it, and name it by its id",
                            DIAG_CLIP(reference));
                return;
        }
        image_id(reference, false, id);
        if (clashes(c, reference, id))
                image_id(reference, true, id);
        carry_put(c, s, row->out, row->to, id);
        note_import(c, s, reference, id);
}

/* PATH[:O][:idmap...] */
void carry_rootfs(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_free_ char *value = NULL, *text = NULL, *path = NULL;
        char *options;

        if (quadlet_string(s, &value) < 0 || !(text = carry_text(c, s, value))) {
                c->failed = true;
                return;
        }
        options = strchr(text, ':');
        if (options)
                *options++ = '\0';
        path = carry_path(c, s, text);
        carry_put(c, s, row->out, row->to, path);
        if (!options || !streq(options, "O"))
                carry_note(c, s,
                           "Rootfs=: podman writes into it; here what is written is forgotten at the stop, or kept apart "
                           "with Ephemeral=no");
        if (options && !streq(options, "O") && !startswith(options, "idmap"))
                carry_warning(c, s, "Rootfs=: '%s' is not carried over: it is no option",
                              DIAG_CLIP(options));
}

/* USER[:GROUP] */
void carry_user(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_free_ char *value = NULL, *text = NULL;
        char *group;

        if (quadlet_string(s, &value) < 0 || !(text = carry_text(c, s, value))) {
                c->failed = true;
                return;
        }
        group = strchr(text, ':');
        if (group)
                *group++ = '\0';
        carry_put(c, s, row->out, row->to, text);
        if (group && !quadlet_last(c->q, "Container", "Group"))
                carry_put(c, s, row->out, "Group", group);
}

/* Joins CONTAINER:HOST:COUNT lines that follow each other into one range from 0. false: they are no such range. */
static bool join_maps(Carry *c, const Quadlet *unit, const char *section, const char *key,
                      uint32_t *ret_base, uint32_t *ret_count) {
        uint32_t base = 0, count = 0;

        for (size_t i = 0; i < unit->n; i++) {
                const QuadletSetting *s = &unit->list[i];
                _cleanup_strv_ char **list = NULL;

                if (!streq(s->section, section) || !streq(s->key, key) || !quadlet_effective(unit, s, true))
                        continue;
                list = carry_words(c, s);
                for (char **word = list; word && *word; word++) {
                        uint32_t inside, outside, n;
                        char *host = strchr(*word, ':'), *size = host ? strchr(host + 1, ':') : NULL;

                        if (!size)
                                return false;
                        *host++ = '\0';
                        *size++ = '\0';
                        if (parse_uint32(*word, &inside) < 0 || parse_uint32(host, &outside) < 0 ||
                            parse_uint32(size, &n) < 0 || inside != count ||
                            (count > 0 && outside != base + count))
                                return false;
                        base = count == 0 ? outside : base;
                        if (__builtin_add_overflow(count, n, &count))
                                return false;
                }
        }
        *ret_base = base;
        *ret_count = count;
        return true;
}

/* UIDMap= and GIDMap=: carried if both are one range, as ours always is. */
static void put_maps(Carry *c, const QuadletSetting *s, const Quadlet *unit, const char *section,
                     const char *uid_key, const char *gid_key) {
        uint32_t base, count, gid_base, gid_count;
        char text[64];

        if (!join_maps(c, unit, section, uid_key, &base, &count) ||
            !join_maps(c, unit, section, gid_key, &gid_base, &gid_count) ||
            (count > 0 && gid_count > 0 && (base != gid_base || count != gid_count))) {
                carry_warning(c, s,
                              "%s= is not carried over: with us, users and groups have one range of the host that "
                              "begins at 0 inside; write PrivateUsers=BASE:SIZE",
                              s->key);
                return;
        }
        if (count == 0 && gid_count == 0) {
                carry_warning(c, s, "%s=%s is not carried over: it maps no ids", s->key,
                              DIAG_CLIP(s->value));
                return;
        }
        snprintf(text, sizeof(text), "%u:%u", count > 0 ? base : gid_base, count > 0 ? count : gid_count);
        carry_put(c, s, CARRY_CONTAINER, "PrivateUsers", text);
}

static void put_mode(Carry *c, const QuadletSetting *s) {
        const char *mode = s->value;
        size_t n = strcspn(mode, ":");

        if (streq(mode, "host"))
                carry_put(c, s, CARRY_CONTAINER, "PrivateUsers", "no");
        else if (n == 4 && (startswith(mode, "auto"))) {
                carry_put(c, s, CARRY_CONTAINER, "PrivateUsers", "pick");
                if (mode[n] != '\0')
                        carry_warning(c, s,
                                      "%s=: '%s' is not carried over: the range has 65536 ids; map single ones by "
                                      "IDMap= of their mounts",
                                      s->key, DIAG_CLIP(mode + n + 1));
        } else if (streq(mode, "private") || streq(mode, "nomap"))
                carry_put(c, s, CARRY_CONTAINER, "PrivateUsers", "pick");
        else if (n == 7 && startswith(mode, "keep-id"))
                carry_warning(c, s,
                              "%s=%s is not carried over: Berth runs as root, which has no id to keep; use User=, and "
                              "IDMap=auto of the mounts",
                              s->key, DIAG_CLIP(mode));
        else
                carry_warning(c, s,
                              "%s=%s is not carried over: use PrivateUsers=pick, identity, no or BASE:SIZE",
                              s->key, DIAG_CLIP(mode));
}

/* Of the container, or of the pod that it is in. */
void carry_user_namespace(Carry *c) {
        const Quadlet *unit = c->pod ? c->pod : c->q;
        const char *section = c->pod ? "Pod" : "Container";
        const QuadletSetting *mode = quadlet_last(unit, section, "UserNS"),
                             *uid = quadlet_last(unit, section, "UIDMap"),
                             *gid = quadlet_last(unit, section, "GIDMap"),
                             *sub = quadlet_last(unit, section, "SubUIDMap"),
                             *sub_gid = quadlet_last(unit, section, "SubGIDMap"),
                             *remap = quadlet_last(unit, section, "RemapUsers"),
                             *remap_uid = quadlet_last(unit, section, "RemapUid"),
                             *remap_gid = quadlet_last(unit, section, "RemapGid");

        sub = sub ? sub : sub_gid;
        remap_uid = remap_uid ? remap_uid : remap_gid;
        if ((mode || uid || gid || sub) && (remap || remap_uid)) {
                carry_error(c, remap ? remap : remap_uid,
                            "%s= stands beside keys of user namespaces that are not "
                            "deprecated, which podman refuses; remove it",
                            remap ? "RemapUsers" : remap_uid->key);
                return;
        }
        if (sub)
                carry_warning(c, sub,
                              "%s= is not carried over: ranges are Berth's own; write PrivateUsers=BASE:SIZE",
                              sub->key);
        if (mode)
                put_mode(c, mode);
        else if (uid || gid)
                put_maps(c, uid ? uid : gid, unit, section, "UIDMap", "GIDMap");
        else if (remap && streq(remap->value, "manual"))
                put_maps(c, remap_uid ? remap_uid : remap, unit, section, "RemapUid", "RemapGid");
        else if (remap) {
                put_mode(c, remap);
                if (remap_uid && streq(remap->value, "auto"))
                        carry_warning(c, remap_uid,
                                      "%s= is not carried over: map single ids by IDMap= of their mounts",
                                      remap_uid->key);
        } else if (remap_uid)
                carry_error(c, remap_uid, "%s= stands without RemapUsers=, which podman refuses",
                            remap_uid->key);
}
