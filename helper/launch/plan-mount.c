/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/plan-mount.h"

#include "common/log.h"
#include "common/names.h"

static const char *const mount_types[] = {
        [MOUNT_VOLUME] = "volume",   [MOUNT_BIND] = "bind",     [MOUNT_ASSETS] = "assets",
        [MOUNT_POINTER] = "pointer", [MOUNT_BACKUP] = "backup", [MOUNT_TMPFS] = "tmpfs",
};

static const char *const file_types[] = {
        [FILE_INFER] = "infer",
        [FILE_FILE] = "file",
        [FILE_DIRECTORY] = "directory",
};

const char *mount_type_to_string(MountType type) {
        return mount_types[type];
}

static int word_index(const char *const words[], size_t n, const char *word) {
        for (size_t i = 0; i < n; i++)
                if (streq(words[i], word))
                        return (int) i;
        return -EINVAL;
}

void mount_spec_done(MountSpec *mount) {
        free(mount->source);
        free(mount->subpath);
        free(mount->target);
        free(mount->id_ranges);
        free(mount->options);
        close_fd(mount->lock_fd);
}

/* Takes the next KEY=VALUE field off *rest, unescaping in place; false at the end. */
static bool next_field(char **rest, char **ret_key, char **ret_value) {
        char *from = *rest, *to = *rest;

        if (!from)
                return false;
        *ret_key = from;
        *ret_value = NULL;
        for (;; from++, to++) {
                if (*from == '\\' && from[1] != '\0')
                        from++;
                else if (*from == ',' || *from == '\0')
                        break;
                else if (*from == '=' && !*ret_value) {
                        *to = '\0';
                        *ret_value = to + 1;
                        continue;
                }
                *to = *from;
        }
        *rest = *from ? from + 1 : NULL;
        *to = '\0';
        return true;
}

static int set_once(char **field, const char *value) {
        if (*field)
                return -EEXIST;
        return (*field = strdup(value)) ? 0 : -ENOMEM;
}

static int add_id_range(MountSpec *mount, const char *value) {
        IdRange range, *grown;
        int r;

        if (streq(value, "auto")) {
                mount->id_auto = true;
                return 0;
        }
        r = parse_id_range(value, &range);
        if (r < 0)
                return r;
        for (size_t i = 0; i < mount->n_id_ranges; i++)
                if (id_range_overlap(&mount->id_ranges[i], &range))
                        return -EEXIST;
        grown = reallocarray(mount->id_ranges, mount->n_id_ranges + 1, sizeof(range));
        if (!grown)
                return -ENOMEM;
        mount->id_ranges = grown;
        mount->id_ranges[mount->n_id_ranges++] = range;
        return 0;
}

static int set_mount_field(MountSpec *mount, const char *key, const char *value) {
        int r;

        if (streq(key, "type")) {
                r = word_index(mount_types, ARRAY_LEN(mount_types), value);
                if (r >= 0)
                        mount->type = (MountType) r;
        } else if (streq(key, "source"))
                r = set_once(&mount->source, value);
        else if (streq(key, "subpath"))
                r = set_once(&mount->subpath, value);
        else if (streq(key, "target"))
                r = set_once(&mount->target, value);
        else if (streq(key, "read-only"))
                r = parse_bool(value, &mount->read_only);
        else if (streq(key, "create"))
                r = parse_bool(value, &mount->create);
        else if (streq(key, "recursive"))
                r = parse_bool(value, &mount->recursive);
        else if (streq(key, "filetype")) {
                r = word_index(file_types, ARRAY_LEN(file_types), value);
                if (r >= 0)
                        mount->file_type = (FileType) r;
        } else if (streq(key, "idmap"))
                r = add_id_range(mount, value);
        else if (streq(key, "options"))
                r = set_once(&mount->options, value);
        else
                r = -EINVAL;
        return MIN(r, 0);
}

bool path_plain(const char *path) {
        if (path[0] != '/')
                return false;
        for (const char *p = path; *p; p += strcspn(p, "/"), p += strspn(p, "/"))
                if (startswith(p, "..") && strchr("/", p[2]))
                        return false;
        return true;
}

/* Below something: not absolute, no "." and no "..". */
static bool subpath_plain(const char *path) {
        if (path[0] == '/' || path[0] == '\0')
                return false;
        for (const char *p = path;; p++) {
                size_t n = strcspn(p, "/");

                if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += n;
                if (*p == '\0')
                        return true;
        }
}

/* NAME, or OTHER:NAME; what is wrong, or NULL. */
static const char *source_problem(const MountSpec *mount) {
        const char *colon = mount->source ? strchr(mount->source, ':') : NULL;

        if (!mount->source || !volume_name_valid(colon ? colon + 1 : mount->source))
                return "source= must be NAME or OTHER:NAME";
        if (mount->type == MOUNT_ASSETS && colon)
                return "source= of assets must be NAME";
        if (mount->type == MOUNT_POINTER && !colon)
                return "source= of a pointer must be OTHER:VOLUME";
        if (mount->file_type == FILE_FILE && !mount->subpath)
                return "the source is a directory; a file in it needs subpath=";
        return NULL;
}

static const char *mount_problem(const MountSpec *mount) {
        const char *problem = NULL;

        if ((int) mount->type < 0)
                return "type= is missing";
        if (!mount->target || !path_plain(mount->target) ||
            mount->target[strspn(mount->target, "/")] == '\0')
                return "target= must be an absolute path below /, without '..'";
        if (mount->id_auto && mount->n_id_ranges > 0)
                return "idmap=auto excludes other idmap=";
        if (mount->subpath && !subpath_plain(mount->subpath))
                return "subpath= must be a path below the source, without '.' and '..'";
        if (mount->recursive && mount->type != MOUNT_BIND)
                return "recursive= is for a bind";
        switch (mount->type) {
        case MOUNT_TMPFS:
                if (mount->source || mount->n_id_ranges > 0 || mount->id_auto || mount->create ||
                    mount->subpath)
                        return "a tmpfs takes neither source= nor subpath= nor idmap= nor create=";
                return NULL;
        case MOUNT_BIND:
                if (!mount->source || mount->source[0] != '/')
                        return "source= of a bind must be an absolute path";
                break;
        case MOUNT_VOLUME:
        case MOUNT_ASSETS:
        case MOUNT_POINTER:
        case MOUNT_BACKUP:
                problem = source_problem(mount);
                break;
        case _MOUNT_TYPE_MAX:
        case _MOUNT_TYPE_INVALID:
        default:
                return "type= is unknown";
        }
        return problem ? problem : mount->options ? "options= is for tmpfs" : NULL;
}

int mount_spec_add(Plan *plan, const char *text) {
        _cleanup_free_ char *copy = strdup(text);
        MountSpec *mount, *grown;
        char *rest = copy, *key, *value;
        const char *problem;

        grown = reallocarray(plan->mounts, plan->n_mounts + 1, sizeof(*grown));
        if (!copy || !grown)
                return log_oom();
        plan->mounts = grown;
        mount = &plan->mounts[plan->n_mounts++];
        *mount = (MountSpec){ .type = _MOUNT_TYPE_INVALID, .lock_fd = -EBADF };
        while (next_field(&rest, &key, &value)) {
                int r = value ? set_mount_field(mount, key, value) : -EINVAL;

                if (r < 0)
                        return log_error_errno(EINVAL, "--mount=%s: wrong field '%s%s%s'%s", text, key,
                                               value ? "=" : "", value ? value : "",
                                               r == -EEXIST ? " (given twice, or overlapping)" : "");
        }
        problem = mount_problem(mount);
        if (mount->type == MOUNT_ASSETS)
                mount->read_only = true;
        return problem ? log_error_errno(EINVAL, "--mount=%s: %s", text, problem) : 0;
}

static int copy_string(char **field) {
        if (*field)
                *field = strdup(*field);
        return *field ? 0 : -ENOMEM;
}

int mount_spec_append(Plan *plan, const MountSpec *mount) {
        MountSpec copy = *mount, *grown;

        assert(!mount->subpath && !mount->id_ranges);
        copy.lock_fd = -EBADF; /* it is not open yet */
        if ((copy.source && copy_string(&copy.source) < 0) || copy_string(&copy.target) < 0 ||
            (copy.options && copy_string(&copy.options) < 0))
                return -ENOMEM;
        grown = reallocarray(plan->mounts, plan->n_mounts + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        plan->mounts = grown;
        plan->mounts[plan->n_mounts++] = copy;
        return 0;
}

void mount_spec_print(FILE *f, const MountSpec *mount) {
        plan_print_value(f, "Mount", mount->target);
        plan_print_value(f, "  Type", mount_types[mount->type]);
        if (mount->source)
                plan_print_value(f, "  Source", mount->source);
        plan_print_value(f, "  ReadOnly", mount->read_only ? "yes" : "no");
        if (mount->subpath)
                plan_print_value(f, "  Subpath", mount->subpath);
        if (mount->recursive)
                plan_print_value(f, "  Recursive", "yes");
        if (mount->create)
                plan_print_value(f, "  Create", "yes");
        plan_print_value(f, "  FileType", file_types[mount->file_type]);
        if (mount->id_auto)
                plan_print_value(f, "  IDMap", "auto");
        for (size_t i = 0; i < mount->n_id_ranges; i++) {
                const IdRange *range = &mount->id_ranges[i];

                fprintf(f, "  IDMap: %s%u:%u:%u\n",
                        range->users && range->groups ? ""
                        : range->users                ? "u:"
                                                      : "g:",
                        range->host, range->container, range->count);
        }
        if (mount->options)
                plan_print_value(f, "  Options", mount->options);
}
