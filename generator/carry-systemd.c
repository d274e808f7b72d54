/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Unit], [Service] and [Install], which pass on as they do with Quadlet, less what Berth refuses; and the units that
 * have no manifest of their own. */

#include <stdio.h>

#include "common/strv.h"
#include "generator/carry.h"
#include "generator/keys.h"
#include "generator/policy.h"
#include "generator/specifier.h"
#include "generator/words.h"
#include "generator/world.h"

/* Is name the service of that unit of Quadlet's, "web.service", "data-volume.service"? */
static bool is_service_of(const Quadlet *q, const char *name) {
        const char *suffix = endswith(name, ".service");
        size_t n = strlen(q->stem), m = suffix ? (size_t) (suffix - name) : 0;
        const char *kind = quadlet_kind_to_suffix(q->kind) + 1;

        if (!suffix || m < n || strncmp(name, q->stem, n) != 0)
                return false;
        if (q->kind == QUADLET_CONTAINER || q->kind == QUADLET_KUBE)
                return m == n;
        return m == n + 1 + strlen(kind) && name[n] == '-' && strncmp(name + n + 1, kind, strlen(kind)) == 0;
}

/* The unit of Quadlet's that a word of a dependency means, by its file or by its service; NULL: it is none. */
static const Quadlet *find_meant(const Carry *c, const char *word) {
        if (quadlet_kind_from_name(word) != _QUADLET_INVALID)
                return quadlets_find(c->all, word);
        for (size_t i = 0; i < c->all->n; i++)
                if (is_service_of(c->all->list[i], word))
                        return c->all->list[i];
        return NULL;
}

static void add_word(Text *line, const char *word) {
        text_addf(line, "%s%s", line->size > 0 ? " " : "", word);
}

/* How a template's instance is named: at is "@INSTANCE" and a suffix. NULL: not at all, or out of memory. */
static char *instance_reference(Carry *c, const Quadlet *template, const char *at) {
        _cleanup_free_ char *name = NULL, *sample = NULL;
        char *text = NULL;
        int r;

        if (asprintf(&name, "%.*s%.*s", (int) strcspn(template->name, "@"), template->name,
                     (int) (strrchr(at, '.') - at), at) < 0) {
                name = NULL;
                c->failed = true;
                return NULL;
        }
        if (!specifier_check(name, NULL))
                return NULL;
        r = specifier_sample(name, &sample);
        if (r >= 0 && !name_valid(sample, true))
                return NULL;
        if (r < 0 || asprintf(&text, "%s.%s", name, template->given ? "berth" : "service") < 0) {
                c->failed = true;
                return NULL;
        }
        return text;
}

/* One unit of a list of them. */
static void put_dependency(Carry *c, const QuadletSetting *s, const char *word, Text *line) {
        const Quadlet *meant = find_meant(c, word), *first;
        _cleanup_free_ char *name = NULL;

        if (!meant) {
                if (quadlet_kind_from_name(word) != _QUADLET_INVALID)
                        carry_error(c, s,
                                    "%s= names '%s', which is not there; name it as well, or put it beside this file",
                                    s->key, DIAG_CLIP(word));
                else
                        add_word(line, word);
                return;
        }
        first = meant->kind == QUADLET_CONTAINER ? meant
                : meant->kind == QUADLET_POD     ? quadlets_pod_first(c->all, meant)
                                                 : NULL;
        if (first == c->q)
                return; /* a container of the pod that it stands for itself */
        if (!first) {
                if (meant->kind == QUADLET_KUBE || meant->kind == QUADLET_POD)
                        carry_warning(c, s, "%s=: '%s' is not carried over: %s", s->key, DIAG_CLIP(word),
                                      meant->kind == QUADLET_POD ? "the pod has no container"
                                                                 : "a .kube makes no manifest");
                return; /* volumes, networks and images need no service */
        }
        if (strchr(first->name, '@') && strchr(word, '@')) /* an instance, or the template itself */
                name = instance_reference(c, first, strchr(word, '@'));
        else if (first->name[0] != '\0' && !strchr(first->name, '@'))
                name = carry_reference(c, first);
        if (name)
                add_word(line, name);
        else if (!c->failed)
                carry_warning(c, s, "%s=: '%s' is not carried over: it has no name that a manifest can have",
                              s->key, DIAG_CLIP(word));
}

static void put_dependencies(Carry *c, const QuadletSetting *s) {
        _cleanup_strv_ char **list = NULL;
        _cleanup_text_ Text line = { 0 };
        WordsError error;

        if (strpbrk(s->value, "\"'")) {
                if (words_split(s->value, &list, &error) < 0)
                        carry_error(c, s, "%s= has words that systemd does not split; mend its quotes",
                                    s->key);
        } else { /* backslashes belong to names of units */
                _cleanup_free_ char *copy = strdup(s->value);
                char *save = NULL;

                if (!copy)
                        c->failed = true;
                for (char *word = copy ? strtok_r(copy, " \t", &save) : NULL; word;
                     word = strtok_r(NULL, " \t", &save))
                        if (strv_append(&list, word) < 0)
                                c->failed = true;
        }
        for (char **word = list; word && *word; word++)
                put_dependency(c, s, *word, &line);
        if (line.failed)
                c->failed = true;
        else if (line.size > 0 || s->value[0] == '\0')
                carry_put(c, s, CARRY_UNIT, s->key, line.size > 0 ? line.data : "");
}

/* A directive for Berth's reader: letters, digits and "-". */
static bool well_formed(const char *key) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

        return key[0] != '\0' && strspn(key, letters) == strlen(key) && !strchr("0123456789-", key[0]);
}

/* What Quadlet and Berth both set, so that nothing is lost without it. */
static bool redundant(const QuadletSetting *s) {
        static const struct {
                const char *key, *value; /* NULL: any */
        } rows[] = { { "Type", "notify" },        { "NotifyAccess", NULL }, { "Delegate", NULL },
                     { "KillMode", "mixed" },     { "Type", "oneshot" },    { "SyslogIdentifier", "%N" },
                     { "SyslogIdentifier", "%p" } };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (streq(rows[i].key, s->key) && (!rows[i].value || streq(rows[i].value, s->value)))
                        return !streq(s->value, "oneshot");
        return false;
}

/* Does it begin with podman's path, behind the prefixes of a command line? */
static bool runs_podman(const char *value) {
        const char *program = value + strspn(value, "@-:+!|"), *end = program + strcspn(program, " \t"),
                   *slash;

        slash = memrchr(program, '/', (size_t) (end - program));
        return end - (slash ? slash + 1 : program) == 6 &&
               strncmp(slash ? slash + 1 : program, "podman", 6) == 0;
}

static void put_service(Carry *c, const QuadletSetting *s) {
        const char *instead = policy_refusal("Service", s->key);

        if (redundant(s))
                return;
        if (streq(s->key, "Type") && streq(s->value, "oneshot"))
                instead = NULL;
        if (streq(s->key, "Type") && instead && s->value[0] != '\0') {
                carry_error(c, s, "Type=%s cannot be, with podman neither; only oneshot and notify can",
                            DIAG_CLIP(s->value));
                return;
        }
        if (s->value[0] == '\0' && instead)
                return;
        if (instead)
                carry_warning(c, s, "%s= of [Service] is not carried over: %s", s->key, instead);
        else if (startswith(s->key, "Exec") && runs_podman(s->value))
                carry_warning(c, s,
                              "%s= of [Service] is not carried over: it runs podman, which knows nothing of Berth's "
                              "containers",
                              s->key);
        else
                carry_put(c, s, CARRY_SERVICE, s->key, s->value);
}

/* Is the word, specifiers expanded, what a link may be called? */
static bool link_name(Carry *c, const char *word, bool service) {
        _cleanup_free_ char *expanded = NULL;
        char unit[NAME_LENGTH_MAX + sizeof(".service")];
        int r;

        snprintf(unit, sizeof(unit), "%s.service", c->q->name);
        r = specifier_check(word, NULL) ? specifier_expand(word, unit, &expanded) : -EINVAL;
        if (r == -ENOMEM)
                c->failed = true;
        return r >= 0 && world_unit_name_valid(expanded) && (!service || endswith(expanded, ".service"));
}

/* [Install] is read by Berth itself, word by word. */
static void put_install(Carry *c, const QuadletSetting *s) {
        const Key *key = key_find("Install", s->key);
        _cleanup_strv_ char **list = NULL;
        _cleanup_text_ Text line = { 0 };
        WordsError error;

        if (!key) {
                carry_warning(c, s,
                              "%s= of [Install] is not carried over: Berth makes links for Alias=, WantedBy=, "
                              "RequiredBy= and UpheldBy=",
                              s->key);
                return;
        }
        if (streq(s->key, "DefaultInstance")) {
                carry_put(c, s, CARRY_INSTALL, s->key, s->value);
                return;
        }
        if (words_split(s->value, &list, &error) < 0) {
                carry_error(c, s, "%s=: %s", s->key, error.message);
                return;
        }
        for (char **word = list; word && *word; word++) {
                if (!link_name(c, *word, streq(s->key, "Alias")))
                        carry_warning(c, s, "%s=%s is not carried over: it is no name of a %s", s->key,
                                      DIAG_CLIP(*word), streq(s->key, "Alias") ? "service" : "unit");
                else
                        add_word(&line, *word);
        }
        if (line.failed)
                c->failed = true;
        else if (line.size > 0 || s->value[0] == '\0')
                carry_put(c, s, CARRY_INSTALL, s->key, line.size > 0 ? line.data : "");
}

/* Of the pod's [Unit], what the container that stands for it does for it. */
static bool pod_passes(const QuadletSetting *s) {
        return streq(s->section, "Install") || (streq(s->section, "Unit") && policy_references(s->key));
}

void carry_systemd(Carry *c, const QuadletSetting *s, bool pod) {
        const char *refusal = streq(s->section, "Unit") ? policy_refusal("Unit", s->key) : NULL;

        if (startswith(s->section, "X-") || startswith(s->key, "X-"))
                return;
        if (pod && c->first != c->q)
                return;
        if (streq(s->section, "Quadlet")) { /* there are no such dependencies */
                if (!streq(s->key, "DefaultDependencies"))
                        carry_error(c, s, "'%s' is no key of [Quadlet], and podman refuses the file for it",
                                    DIAG_CLIP(s->key));
                return;
        }
        if (!streq(s->section, "Unit") && !streq(s->section, "Service") && !streq(s->section, "Install")) {
                carry_warning(c, s, "%s= of [%s] is not carried over: no service has such a section",
                              DIAG_CLIP(s->key), DIAG_CLIP(s->section));
                return;
        }
        if (!well_formed(s->key)) {
                carry_warning(c, s, "'%s' of [%s] is not carried over: it is no name of a setting",
                              DIAG_CLIP(s->key), s->section);
                return;
        }
        if (pod && !pod_passes(s)) {
                if (!redundant(s) && !streq(s->key, "Description"))
                        carry_warning(c, s,
                                      "%s= of the pod's [%s] is not carried over: set it in its containers",
                                      s->key, s->section);
                return;
        }
        if (streq(s->section, "Install"))
                put_install(c, s);
        else if (streq(s->section, "Service"))
                put_service(c, s);
        else if (refusal)
                carry_warning(c, s, "%s= of [Unit] is not carried over: %s", s->key, refusal);
        else if (policy_references(s->key))
                put_dependencies(c, s);
        else
                carry_put(c, s, CARRY_UNIT, s->key, s->value);
}

/* The arity of .network, which podman checks. */
static void check_network(Carry *c) {
        static const char *const keys[] = { "Subnet", "Gateway", "IPRange" };
        size_t n[ARRAY_LEN(keys)] = { 0 };

        for (size_t i = 0; i < c->q->n; i++)
                for (size_t j = 0; j < ARRAY_LEN(keys); j++)
                        n[j] += streq(c->q->list[i].section, "Network") &&
                                streq(c->q->list[i].key, keys[j]) && c->q->list[i].value[0] != '\0';
        if (n[1] > n[0] || n[2] > n[0])
                carry_error(c, NULL, "there are more %s= than Subnet=, which podman refuses",
                            n[1] > n[0] ? "Gateway" : "IPRange");
}

static void check_volume(Carry *c) {
        const QuadletSetting *driver = quadlet_last(c->q, "Volume", "Driver"),
                             *image = quadlet_last(c->q, "Volume", "Image"),
                             *device = quadlet_last(c->q, "Volume", "Device"),
                             *type = quadlet_last(c->q, "Volume", "Type"),
                             *options = quadlet_last(c->q, "Volume", "Options");
        bool is_image = driver && streq(driver->value, "image");

        if (is_image && !image)
                carry_error(c, driver, "Driver=image stands without Image=, which podman refuses");
        else if (is_image && quadlet_kind_from_name(image->value) != _QUADLET_INVALID &&
                 !quadlets_find(c->all, image->value))
                carry_error(c, image,
                            "Image= names '%s', which is not there; name it as well, or put it beside this file",
                            DIAG_CLIP(image->value));
        else if (is_image)
                carry_warning(c, image,
                              "Image= is not carried over: import the image, and mount its directory by a [Mount "
                              "NAME] with Type=bind and ReadOnly=yes");
        else if (driver && !streq(driver->value, "local"))
                carry_warning(c, driver,
                              "Driver=%s is not carried over: volumes are directories; mount it by a .mount unit, "
                              "and that path by a [Mount NAME] with Type=bind",
                              DIAG_CLIP(driver->value));
        if (device && !(type && (streq(type->value, "bind") || streq(type->value, "none"))))
                carry_warning(c, device,
                              "Device=%s is not carried over: mount it by a .mount unit, and that path by a [Mount "
                              "NAME] with Type=bind",
                              DIAG_CLIP(device->value));
        if (options && !(device && type && streq(options->value, "bind")))
                carry_warning(c, options,
                              "Options= is not carried over: it was for mounting what is no directory");
}

/* Are all its references there, as podman wants them? */
static void check_references(Carry *c) {
        for (size_t i = 0; i < c->q->n; i++) {
                const QuadletSetting *s = &c->q->list[i];
                _cleanup_free_ char *copy = NULL;
                char *save = NULL;

                if (!streq(s->section, "Unit") || !policy_references(s->key))
                        continue;
                copy = strdup(s->value);
                if (!copy)
                        c->failed = true;
                for (char *word = copy ? strtok_r(copy, " \t", &save) : NULL; word;
                     word = strtok_r(NULL, " \t", &save))
                        if (quadlet_kind_from_name(word) != _QUADLET_INVALID && !quadlets_find(c->all, word))
                                carry_error(c, s,
                                            "%s= names '%s', which is not there; name it as well, or put it beside this "
                                            "file",
                                            s->key, DIAG_CLIP(word));
        }
}

/* Each setting of a .volume or a .network. */
static void check_settings(Carry *c, const char *section) {
        for (size_t i = 0; i < c->q->n; i++) {
                const QuadletSetting *s = &c->q->list[i];
                const char *lost = NULL;

                if (streq(s->section, "Service") && !redundant(s))
                        carry_warning(c, s, "%s= of [Service] is not carried over: it has no service",
                                      DIAG_CLIP(s->key));
                if (!streq(s->section, section))
                        continue;
                if (!carry_known(c->q->kind, s->key, &lost))
                        carry_error(c, s, "'%s' is no key of [%s], and podman refuses the file for it",
                                    DIAG_CLIP(s->key), section);
                else if (lost && s->value[0] != '\0')
                        carry_warning(c, s, "%s= is not carried over: %s", s->key, lost);
                else if (streq(s->key, "Driver") && c->q->kind == QUADLET_NETWORK &&
                         !streq(s->value, "bridge"))
                        carry_warning(c, s,
                                      "Driver=%s is not carried over: a container has a link of its own to the host",
                                      DIAG_CLIP(s->value));
        }
}

static void other_kind(Carry *c) {
        static const char *const reasons[_QUADLET_MAX] = {
                [QUADLET_KUBE] = "write a manifest for each container of its YAML file",
                [QUADLET_IMAGE] = "a start fetches nothing; run berth image import",
                [QUADLET_BUILD] = "build the image with podman or buildah, and run berth image import",
                [QUADLET_ARTIFACT] = "fetch it with podman or oras, and mount it by a [Mount NAME]",
        };

        switch (c->q->kind) {
        case QUADLET_VOLUME:
                carry_note(c, NULL, "a volume needs no file: Volume=%.*s:/TARGET of a container makes it",
                           (int) strcspn(c->q->stem, "@"), c->q->stem);
                check_settings(c, "Volume");
                check_volume(c);
                check_references(c);
                break;
        case QUADLET_NETWORK:
                carry_note(c, NULL,
                           "a network needs no file: each container has its own, and Link=OTHER in [Network] reaches "
                           "another");
                check_settings(c, "Network");
                check_network(c);
                check_references(c);
                break;
        case QUADLET_POD: {
                const Quadlet *first = quadlets_pod_first(c->all, c->q);

                check_references(c);
                if (first && first->given)
                        carry_note(c, NULL,
                                   "the pod is in %s, the first of its containers, whose network the others join",
                                   first->name);
                else
                        carry_error(c, NULL, "a pod is converted with its containers: name %s as well",
                                    first ? first->path : "those with this Pod=, there is none here,");
                break;
        }
        case QUADLET_CONTAINER:
        case QUADLET_KUBE:
        case QUADLET_IMAGE:
        case QUADLET_BUILD:
        case QUADLET_ARTIFACT:
        case _QUADLET_MAX:
        case _QUADLET_INVALID:
                carry_error(c, NULL, "%s files are not converted: %s", quadlet_kind_to_suffix(c->q->kind),
                            reasons[c->q->kind]);
                break;
        }
}

int carry_other(const Quadlets *all, const Quadlet *q, Findings *findings) {
        Carry c = { .all = all, .q = q, .findings = findings };

        assert(q->kind != QUADLET_CONTAINER);
        for (size_t i = 0; i < q->findings.n; i++)
                finding_add(findings, q->findings.list[i].level, q->findings.list[i].path,
                            q->findings.list[i].line, "%s", q->findings.list[i].message);
        other_kind(&c);
        return c.failed || findings->failed ? -ENOMEM : 0;
}
