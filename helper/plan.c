/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/plan.h"

#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/options.h"
#include "helper/verbs.h"

static const char *const mount_types[] = {
        [MOUNT_VOLUME] = "volume",
        [MOUNT_BIND] = "bind",
        [MOUNT_TMPFS] = "tmpfs",
};

static const char *const file_types[] = {
        [FILE_INFER] = "infer",
        [FILE_FILE] = "file",
        [FILE_DIRECTORY] = "directory",
};

static const char *const network_modes[] = {
        [NETWORK_PRIVATE] = "private",
        [NETWORK_NONE] = "none",
        [NETWORK_HOST] = "host",
};

static int word_index(const char *const words[], size_t n, const char *word) {
        for (size_t i = 0; i < n; i++)
                if (streq(words[i], word))
                        return (int) i;
        return -EINVAL;
}

static void mount_done(MountSpec *mount) {
        free(mount->source);
        free(mount->target);
        free(mount->id_ranges);
        free(mount->options);
}

void plan_done(Plan *plan) {
        strv_free(plan->entrypoint);
        strv_free(plan->env);
        strv_free(plan->env_files);
        strv_free(plan->controllers);
        for (size_t i = 0; i < plan->n_mounts; i++)
                mount_done(&plan->mounts[i]);
        free(plan->mounts);
        *plan = (Plan){};
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
        else if (streq(key, "target"))
                r = set_once(&mount->target, value);
        else if (streq(key, "read-only"))
                r = parse_bool(value, &mount->read_only);
        else if (streq(key, "create"))
                r = parse_bool(value, &mount->create);
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

/* Absolute, and without a ".." that would make the order of targets meaningless. */
static bool path_plain(const char *path) {
        if (path[0] != '/')
                return false;
        for (const char *p = path; *p; p += strcspn(p, "/"), p += strspn(p, "/"))
                if (startswith(p, "..") && strchr("/", p[2]))
                        return false;
        return true;
}

static const char *mount_problem(const MountSpec *mount) {
        const char *colon;

        if ((int) mount->type < 0)
                return "type= is missing";
        if (!mount->target || !path_plain(mount->target) ||
            mount->target[strspn(mount->target, "/")] == '\0')
                return "target= must be an absolute path below /, without '..'";
        if (mount->id_auto && mount->n_id_ranges > 0)
                return "idmap=auto excludes other idmap=";
        switch (mount->type) {
        case MOUNT_TMPFS:
                if (mount->source || mount->n_id_ranges > 0 || mount->id_auto || mount->create)
                        return "a tmpfs takes neither source= nor idmap= nor create=";
                return NULL;
        case MOUNT_BIND:
                if (!mount->source || mount->source[0] != '/')
                        return "source= of a bind must be an absolute path";
                break;
        case MOUNT_VOLUME:
                colon = mount->source ? strchr(mount->source, ':') : NULL;
                if (!mount->source || !volume_name_valid(colon ? colon + 1 : mount->source))
                        return "source= of a volume must be VOLUME or OTHER:VOLUME";
                if (mount->file_type == FILE_FILE)
                        return "a volume is a directory";
                break;
        case _MOUNT_TYPE_MAX:
        case _MOUNT_TYPE_INVALID:
        default:
                return "type= is unknown";
        }
        return mount->options ? "options= is for tmpfs" : NULL;
}

static int add_mount(Plan *plan, const char *text) {
        _cleanup_free_ char *copy = strdup(text);
        MountSpec *mount, *grown;
        char *rest = copy, *key, *value;
        const char *problem;

        grown = reallocarray(plan->mounts, plan->n_mounts + 1, sizeof(*grown));
        if (!copy || !grown)
                return log_oom();
        plan->mounts = grown;
        mount = &plan->mounts[plan->n_mounts++];
        *mount = (MountSpec){ .type = _MOUNT_TYPE_INVALID };
        while (next_field(&rest, &key, &value)) {
                int r = value ? set_mount_field(mount, key, value) : -EINVAL;

                if (r < 0)
                        return log_error_errno(EINVAL, "--mount=%s: wrong field '%s%s%s'%s", text, key,
                                               value ? "=" : "", value ? value : "",
                                               r == -EEXIST ? " (given twice, or overlapping)" : "");
        }
        problem = mount_problem(mount);
        return problem ? log_error_errno(EINVAL, "--mount=%s: %s", text, problem) : 0;
}

static int parse_private_users(Plan *plan, const char *value) {
        static const struct {
                const char *word;
                PrivateUsers mode;
        } words[] = {
                { "pick", PRIVATE_USERS_PICK },
                { "identity", PRIVATE_USERS_IDENTITY },
                { "no", PRIVATE_USERS_NO },
        };
        char base[16];
        size_t n = strcspn(value, ":");

        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (streq(value, words[i].word)) {
                        plan->private_users = words[i].mode;
                        return 0;
                }
        if (value[n] != ':' || n >= sizeof(base))
                return -EINVAL;
        memcpy(base, value, n);
        base[n] = '\0';
        if (parse_id(base, &plan->uid_base) < 0 || parse_id(value + n + 1, &plan->uid_count) < 0 ||
            plan->uid_count == 0 || (uint64_t) plan->uid_base + plan->uid_count > UINT32_MAX)
                return -EINVAL;
        plan->private_users = PRIVATE_USERS_RANGE;
        return 0;
}

static int wrong_value(const char *option, const char *value, const char *expected) {
        return log_error_errno(EINVAL, "--%s is '%s': expected %s", option, value, expected);
}

static int set_bool(int option, const char *value, bool *ret) {
        return parse_bool(value, ret) < 0 ? wrong_value(launch_options[option].name, value, "yes or no") : 0;
}

static int add_entrypoint(Plan *plan, const char *word) {
        plan->entrypoint_set = true;
        if (*word == '\0' && !plan->entrypoint)
                return 0;
        return strv_append(&plan->entrypoint, word) < 0 ? log_oom() : 0;
}

static int add_env(Plan *plan, const char *value) {
        if (value[0] == '=' || !strchr(value, '='))
                return wrong_value("env", value, "NAME=VALUE");
        return strv_env_set(&plan->env, value) < 0 ? log_oom() : 0;
}

static int add_string(char ***v, const char *value) {
        return strv_append(v, value) < 0 ? log_oom() : 0;
}

/* Writes the values that are more than one line. */
static int set_parsed(Plan *plan, int option, const char *value) {
        int r;

        switch (option) {
        case LAUNCH_NAME:
                plan->name = value;
                return name_valid(value, false) ? 0 : wrong_value("name", value, "letters, digits and '-'");
        case LAUNCH_PRIVATE_USERS:
                r = parse_private_users(plan, value);
                return r < 0 ? wrong_value("private-users", value, "pick, identity, no or BASE:SIZE") : 0;
        case LAUNCH_NETWORK:
                r = word_index(network_modes, ARRAY_LEN(network_modes), value);
                if (r < 0)
                        return wrong_value("network", value, "private, none or host");
                plan->network = (NetworkMode) r;
                return 0;
        case LAUNCH_WORKING_DIRECTORY:
                plan->working_directory = value;
                return value[0] == '/' ? 0 : wrong_value("working-directory", value, "an absolute path");
        case LAUNCH_REQUIRE_CONTROLLER:
                if (value[0] == '\0' || value[strspn(value, "abcdefghijklmnopqrstuvwxyz")] != '\0')
                        return wrong_value("require-controller", value, "the name of a cgroup controller");
                return add_string(&plan->controllers, value);
        case LAUNCH_MOUNT:
                return add_mount(plan, value);
        default:
                return -EINVAL;
        }
}

static int set_option(Plan *plan, int option, const char *value) {
        switch (option) {
        case LAUNCH_IMAGE:
                plan->image = value;
                return 0;
        case LAUNCH_ENTRYPOINT:
                return add_entrypoint(plan, value);
        case LAUNCH_USER:
                plan->user = value;
                return *value ? 0 : wrong_value("user", value, "a name or a number");
        case LAUNCH_GROUP:
                plan->group = value;
                return *value ? 0 : wrong_value("group", value, "a name or a number");
        case LAUNCH_ENV:
                return add_env(plan, value);
        case LAUNCH_ENV_FILE:
                return add_string(&plan->env_files, value);
        case LAUNCH_HOSTNAME:
                plan->hostname = value;
                return 0;
        case LAUNCH_INIT:
                return set_bool(option, value, &plan->init);
        case LAUNCH_READ_ONLY:
                return set_bool(option, value, &plan->read_only);
        case LAUNCH_EPHEMERAL:
                return set_bool(option, value, &plan->ephemeral);
        case LAUNCH_SOCKETS:
                return set_bool(option, value, &plan->sockets);
        case LAUNCH_DRY_RUN:
                plan->dry_run = true;
                return 0;
        case LAUNCH_FOREGROUND:
                plan->foreground = true;
                return 0;
        default:
                return set_parsed(plan, option, value);
        }
}

static int by_target(const void *a, const void *b) {
        return strcmp(((const MountSpec *) a)->target, ((const MountSpec *) b)->target);
}

static int check_whole(const Plan *plan) {
        if (!plan->name)
                return log_error_errno(EINVAL, "--name= is missing");
        if (!plan->image)
                return log_error_errno(EINVAL, "--image= is missing");
        for (size_t i = 1; i < plan->n_mounts; i++)
                if (by_target(&plan->mounts[i - 1], &plan->mounts[i]) == 0)
                        return log_error_errno(EINVAL, "two mounts have the target '%s'",
                                               plan->mounts[i].target);
        return 0;
}

int plan_parse(int argc, char *argv[], Plan *ret) {
        _cleanup_plan_ Plan plan = { .init = true, .ephemeral = true };
        OptionParser parser = { .options = launch_options, .argv = argv, .command = true };
        const char *value;
        int r;

        (void) argc;
        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r < 0)
                        return r;
                if (r == OPTIONS_HELP) {
                        (void) verb_help("launch");
                        return 1;
                }
                if (r == OPTIONS_OPERAND)
                        return log_error_errno(EINVAL,
                                               "unexpected argument '%s': the command stands after '--'",
                                               value);
                r = set_option(&plan, r, value);
                if (r < 0)
                        return r;
        }
        plan.command = parser.rest;
        plan.command_set = parser.separator;
        if (plan.n_mounts > 1)
                qsort(plan.mounts, plan.n_mounts, sizeof(*plan.mounts), by_target);
        r = check_whole(&plan);
        if (r < 0)
                return r;
        *ret = plan;
        plan = (Plan){};
        return 0;
}

/* One value a line, whatever bytes it holds. */
static void print_value(FILE *f, const char *key, const char *value) {
        fprintf(f, "%s: ", key);
        for (; *value; value++)
                if ((unsigned char) *value < ' ' || *value == '\\' || *value == 0x7f)
                        fprintf(f, "\\x%02x", (unsigned char) *value);
                else
                        fputc(*value, f);
        fputc('\n', f);
}

static void print_vector(FILE *f, const char *key, char *const *v) {
        for (; v && *v; v++)
                print_value(f, key, *v);
}

static void print_mount(FILE *f, const MountSpec *mount) {
        print_value(f, "Mount", mount->target);
        print_value(f, "  Type", mount_types[mount->type]);
        if (mount->source)
                print_value(f, "  Source", mount->source);
        print_value(f, "  ReadOnly", mount->read_only ? "yes" : "no");
        if (mount->create)
                print_value(f, "  Create", "yes");
        print_value(f, "  FileType", file_types[mount->file_type]);
        if (mount->id_auto)
                print_value(f, "  IDMap", "auto");
        for (size_t i = 0; i < mount->n_id_ranges; i++) {
                const IdRange *range = &mount->id_ranges[i];

                fprintf(f, "  IDMap: %s%u:%u:%u\n",
                        range->users && range->groups ? ""
                        : range->users                ? "u:"
                                                      : "g:",
                        range->host, range->container, range->count);
        }
        if (mount->options)
                print_value(f, "  Options", mount->options);
}

void plan_print(FILE *f, const Plan *plan) {
        static const char *const users[] = {
                [PRIVATE_USERS_PICK] = "pick",
                [PRIVATE_USERS_IDENTITY] = "identity",
                [PRIVATE_USERS_NO] = "no",
        };

        print_value(f, "Name", plan->name);
        print_value(f, "Image", plan->image);
        print_vector(f, "Entrypoint", plan->entrypoint);
        print_vector(f, "Exec", plan->command);
        print_value(f, "User", plan->user ? plan->user : "0");
        if (plan->group)
                print_value(f, "Group", plan->group);
        print_value(f, "WorkingDirectory", plan->working_directory ? plan->working_directory : "/");
        print_vector(f, "Environment", plan->env);
        print_vector(f, "EnvironmentFile", plan->env_files);
        if (plan->hostname)
                print_value(f, "Hostname", plan->hostname);
        print_value(f, "Init", plan->init ? "yes" : "no");
        print_value(f, "ReadOnly", plan->read_only ? "yes" : "no");
        print_value(f, "Ephemeral", plan->ephemeral ? "yes" : "no");
        if (plan->private_users == PRIVATE_USERS_RANGE)
                fprintf(f, "PrivateUsers: %u:%u\n", plan->uid_base, plan->uid_count);
        else
                print_value(f, "PrivateUsers", users[plan->private_users]);
        for (size_t i = 0; i < plan->n_mounts; i++)
                print_mount(f, &plan->mounts[i]);
        print_value(f, "Network", network_modes[plan->network]);
        if (plan->sockets)
                print_value(f, "Sockets", "yes");
        print_vector(f, "RequireController", plan->controllers);
}
