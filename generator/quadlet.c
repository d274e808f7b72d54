/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/quadlet.h"

#include "common/strv.h"
#include "generator/lines.h"

static const char *const suffixes[_QUADLET_MAX] = {
        [QUADLET_CONTAINER] = ".container", [QUADLET_POD] = ".pod",           [QUADLET_VOLUME] = ".volume",
        [QUADLET_NETWORK] = ".network",     [QUADLET_KUBE] = ".kube",         [QUADLET_IMAGE] = ".image",
        [QUADLET_BUILD] = ".build",         [QUADLET_ARTIFACT] = ".artifact",
};

QuadletKind quadlet_kind_from_name(const char *name) {
        for (QuadletKind kind = 0; kind < _QUADLET_MAX; kind++) {
                const char *suffix = endswith(name, suffixes[kind]);

                if (suffix && suffix != name && suffix[-1] != '/')
                        return kind;
        }
        return _QUADLET_INVALID;
}

const char *quadlet_kind_to_suffix(QuadletKind kind) {
        assert(kind >= 0 && kind < _QUADLET_MAX);
        return suffixes[kind];
}

static void quadlet_free(Quadlet *q) {
        if (!q)
                return;
        free(q->path);
        free(q->file);
        free(q->stem);
        free(q->directory);
        free(q->list);
        strv_free(q->texts);
        findings_done(&q->findings);
        free(q);
}
DEFINE_CLEANUP(Quadlet, quadlet_free)

void quadlets_done(Quadlets *all) {
        for (size_t i = 0; i < all->n; i++)
                quadlet_free(all->list[i]);
        free(all->list);
        *all = (Quadlets){ 0 };
}

int quadlets_add(Quadlets *all, const char *path, const char *directory, bool given, Quadlet **ret) {
        _cleanup_(quadlet_freep) Quadlet *q = calloc(1, sizeof(Quadlet));
        const char *slash = strrchr(path, '/');

        if (!q)
                return -ENOMEM;
        q->given = given;
        q->path = strdup(path);
        q->file = strdup(slash ? slash + 1 : path);
        q->directory = strdup(directory);
        if (!q->path || !q->file || !q->directory)
                return -ENOMEM;
        q->kind = quadlet_kind_from_name(q->file);
        assert(q->kind != _QUADLET_INVALID);
        q->stem = strndup(q->file, strlen(q->file) - strlen(suffixes[q->kind]));
        if (!q->stem)
                return -ENOMEM;
        if ((all->n & (all->n + 1)) == 0) {
                Quadlet **grown = reallocarray(all->list, (all->n + 1) * 2, sizeof(Quadlet *));

                if (!grown)
                        return -ENOMEM;
                all->list = grown;
        }
        *ret = all->list[all->n++] = TAKE_PTR(q);
        return 0;
}

static int add_setting(Quadlet *q, const char *path, const char *section, const Line *line) {
        if ((q->n & (q->n + 1)) == 0) {
                QuadletSetting *grown = reallocarray(q->list, (q->n + 1) * 2, sizeof(QuadletSetting));

                if (!grown)
                        return -ENOMEM;
                q->list = grown;
        }
        q->list[q->n++] = (QuadletSetting){ section, line->key, line->value, path, line->line };
        return 0;
}

/* podman goes on with a line whose backslash has blanks behind it, which systemd does not: takes them out. A comment
 * does not go on for either. Returns the new size. */
static size_t join_blank_continuations(char *data, size_t size) {
        size_t to = 0;

        for (size_t from = 0; from < size;) {
                const char *newline = memchr(data + from, '\n', size - from);
                size_t end = newline ? (size_t) (newline - data) : size, n = end - from, keep = n, first = 0;

                while (first < n && (data[from + first] == ' ' || data[from + first] == '\t'))
                        first++;
                while (keep > 0 && strchr(" \t\r", data[from + keep - 1]) && data[from + keep - 1] != '\0')
                        keep--;
                if (keep == 0 || data[from + keep - 1] != '\\' || strchr("#;", data[from + first]))
                        keep = n;
                memmove(data + to, data + from, keep);
                to += keep;
                if (newline)
                        data[to++] = '\n';
                from = end + (newline ? 1 : 0);
        }
        data[to] = '\0';
        return to;
}

int quadlet_read(Quadlet *q, const char *path, char *data, size_t size) {
        _cleanup_free_ char *owned_path = strdup(path);
        const char *section = NULL, *shown;
        Diags diags = { 0 };
        Lines lines;
        Line line;
        int r;

        if (!owned_path) {
                free(data);
                return -ENOMEM;
        }
        shown = owned_path;
        r = strv_consume(&q->texts, data);
        if (r >= 0)
                r = strv_consume(&q->texts, TAKE_PTR(owned_path));
        if (r < 0)
                return r;
        lines_open(&lines, data, join_blank_continuations(data, size));
        for (lines_next(&lines, &line, &diags); r >= 0 && line.kind != LINE_END;
             lines_next(&lines, &line, &diags)) {
                if (line.kind == LINE_SECTION)
                        section = line.key;
                else if (!section)
                        finding_add(&q->findings, FINDING_ERROR, shown, line.line,
                                    "'%s' stands before any section, where podman reads nothing",
                                    DIAG_CLIP(line.key));
                else
                        r = add_setting(q, shown, section, &line);
        }
        for (size_t i = 0; i < diags.n; i++)
                finding_add(&q->findings, FINDING_ERROR, shown, diags.list[i].line, "%s",
                            diags.list[i].message);
        if (diags.failed || q->findings.failed)
                r = -ENOMEM;
        diags_done(&diags);
        return r;
}

const Quadlet *quadlets_find(const Quadlets *all, const char *file) {
        const char *at = strchr(file, '@');
        QuadletKind kind;

        for (size_t i = 0; i < all->n; i++)
                if (streq(all->list[i]->file, file))
                        return all->list[i];
        kind = quadlet_kind_from_name(file);
        if (!at || kind == _QUADLET_INVALID)
                return NULL;
        for (size_t i = 0; i < all->n; i++) {
                const Quadlet *q = all->list[i];

                if (q->kind == kind && strlen(q->stem) == (size_t) (at - file) + 1 &&
                    strncmp(q->stem, file, strlen(q->stem)) == 0)
                        return q;
        }
        return NULL;
}

static bool is_key(const QuadletSetting *s, const char *section, const char *key) {
        return streq(s->key, key) && streq(s->section, section);
}

const QuadletSetting *quadlet_last(const Quadlet *q, const char *section, const char *key) {
        for (size_t i = q->n; i > 0; i--)
                if (is_key(&q->list[i - 1], section, key))
                        return q->list[i - 1].value[0] != '\0' ? &q->list[i - 1] : NULL;
        return NULL;
}

bool quadlet_effective(const Quadlet *q, const QuadletSetting *s, bool list) {
        for (const QuadletSetting *other = s + 1; other < q->list + q->n; other++)
                if (is_key(other, s->section, s->key) && (!list || other->value[0] == '\0'))
                        return false;
        return true;
}

int quadlet_string(const QuadletSetting *s, char **ret) {
        size_t n = strlen(s->value);
        bool quoted = n >= 2 && (s->value[0] == '"' || s->value[0] == '\'') &&
                      s->value[n - 1] == s->value[0];

        *ret = quoted ? strndup(s->value + 1, n - 2) : strdup(s->value);
        return *ret ? 0 : -ENOMEM;
}

int quadlet_bool(const QuadletSetting *s) {
        static const char *const yes[] = { "1", "yes", "true", "on" }, *const no[] = { "0", "no", "false",
                                                                                       "off" };

        for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
                if (strcasecmp(s->value, yes[i]) == 0)
                        return 1;
                if (strcasecmp(s->value, no[i]) == 0)
                        return 0;
        }
        return -EINVAL;
}

bool quadlet_in_pod(const Quadlet *q, const Quadlet *pod) {
        const QuadletSetting *s = q->kind == QUADLET_CONTAINER ? quadlet_last(q, "Container", "Pod") : NULL;

        return s && streq(s->value, pod->file);
}

const Quadlet *quadlets_pod_first(const Quadlets *all, const Quadlet *pod) {
        const Quadlet *first = NULL;

        for (size_t i = 0; i < all->n; i++) {
                const Quadlet *q = all->list[i];
                bool template = strchr(q->name, '@');

                if (!quadlet_in_pod(q, pod) || q->name[0] == '\0')
                        continue;
                if (!first || (!template && strchr(first->name, '@')) ||
                    (template == (strchr(first->name, '@') != NULL) && strcmp(q->name, first->name) < 0))
                        first = q;
        }
        return first;
}

/* Makes stem a valid name: the part before "@" and the instance, each by itself. */
static void make_name(const char *stem, char ret[static NAME_LENGTH_MAX + 1]) {
        const char *at = strchr(stem, '@');
        char prefix[NAME_LENGTH_MAX + 1], instance[NAME_LENGTH_MAX + 1] = "";
        _cleanup_free_ char *copy = strndup(stem, at ? (size_t) (at - stem) : strlen(stem));
        size_t n, m;

        ret[0] = '\0';
        if (!copy)
                return;
        name_suggest(copy, prefix);
        if (at)
                name_suggest(at + 1, instance);
        n = strlen(prefix);
        m = strlen(instance);
        if (n == 0 || (at && at[1] != '\0' && m == 0))
                return;
        if (at && n + 1 + m > NAME_LENGTH_MAX)
                n = NAME_LENGTH_MAX - 1 - MIN(m, (size_t) (NAME_LENGTH_MAX - 2));
        memcpy(ret, prefix, n);
        if (at) {
                ret[n++] = '@';
                memcpy(ret + n, instance, MIN(m, NAME_LENGTH_MAX - n));
                n += MIN(m, NAME_LENGTH_MAX - n);
        }
        ret[n] = '\0';
        if (!name_valid(ret, true) || name_reserved(ret))
                ret[0] = '\0';
}

static void name_one(Quadlet *q) {
        const QuadletSetting *service = quadlet_last(q, "Container", "ServiceName");
        const char *path = service ? service->path : q->path, *wanted = service ? service->value : q->stem;

        if (name_valid(wanted, true) && !name_reserved(wanted)) {
                memcpy(q->name, wanted, strlen(wanted) + 1);
                return;
        }
        make_name(wanted, q->name);
        if (q->name[0] == '\0')
                finding_add(&q->findings, FINDING_ERROR, path, service ? service->line : 0,
                            "'%s' cannot be made a container's name (letters, digits and '-'); rename the file",
                            DIAG_CLIP(wanted));
        else
                finding_add(&q->findings, FINDING_WARNING, path, service ? service->line : 0,
                            "'%s' cannot be a container's name (letters, digits and '-'): it is '%s' now, and its unit "
                            "%s.service",
                            DIAG_CLIP(wanted), q->name, q->name);
}

void quadlets_name(Quadlets *all) {
        for (size_t i = 0; i < all->n; i++)
                if (all->list[i]->kind == QUADLET_CONTAINER)
                        name_one(all->list[i]);
        for (size_t i = 0; i < all->n; i++)
                for (size_t j = 0; j < i && all->list[i]->name[0] != '\0'; j++)
                        if (streq(all->list[i]->name, all->list[j]->name)) {
                                finding_add(&all->list[i]->findings, FINDING_ERROR, all->list[i]->path, 0,
                                            "%s makes a container '%s' as well; rename one of the files",
                                            all->list[j]->path, all->list[j]->name);
                                break;
                        }
}
