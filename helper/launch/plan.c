/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/plan.h"

#include "common/capability.h"
#include "common/log.h"
#include "common/names.h"
#include "common/network.h"
#include "common/signals.h"
#include "common/strv.h"
#include "common/sysctl.h"
#include "helper/launch/plan-mount.h"
#include "helper/launch/secrets.h"
#include "helper/launch/unsupported.h"
#include "helper/verbs/options.h"
#include "helper/verbs/verbs.h"

static const char *const resolv_confs[] = {
        [RESOLV_CONF_AUTO] = "auto",
        [RESOLV_CONF_OFF] = "off",
        [RESOLV_CONF_COPY_HOST] = "copy-host",
};

static const char *const profiles[] = { [PROFILE_NONE] = "",
                                        [PROFILE_MINIMAL] = "minimal",
                                        [PROFILE_STANDARD] = "standard",
                                        [PROFILE_FULL] = "full" };

static const char *const notify_modes[] = {
        [NOTIFY_NO] = "no",
        [NOTIFY_YES] = "yes",
        [NOTIFY_HEALTHY] = "healthy",
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

void plan_done(Plan *plan) {
        strv_free(plan->entrypoint);
        strv_free(plan->env);
        strv_free(plan->env_files);
        strv_free(plan->secrets);
        strv_free(plan->read_paths);
        strv_free(plan->write_paths);
        strv_free(plan->controllers);
        strv_free(plan->setup);
        strv_free(plan->groups);
        strv_free(plan->system_call_filters);
        strv_free(plan->sysctls);
        strv_free(plan->read_only_paths);
        strv_free(plan->inaccessible_paths);
        strv_free(plan->hosts);
        strv_free(plan->labels);
        for (size_t i = 0; i < plan->n_devices; i++)
                free(plan->devices[i].path);
        free(plan->devices);
        free(plan->asked);
        for (size_t i = 0; i < plan->n_mounts; i++)
                mount_spec_done(&plan->mounts[i]);
        free(plan->mounts);
        *plan = (Plan){};
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

static int set_namespace(int option, const char *value, bool *ret_host) {
        *ret_host = streq(value, "host");
        return *ret_host || streq(value, "private")
                               ? 0
                               : wrong_value(launch_options[option].name, value, "private or host");
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

static int set_network(Plan *plan, const char *value) {
        const char *other = startswith(value, "join:");
        int r;

        if (other && name_valid(other, /* template_ok= */ false)) {
                plan->network = NETWORK_JOIN;
                plan->network_of = other;
                return unsupported_take(plan, LAUNCH_NETWORK, value);
        }
        r = word_index(network_modes, ARRAY_LEN(network_modes), value);
        if (r < 0)
                return wrong_value("network", value, "private, none, host or join:OTHER");
        plan->network = (NetworkMode) r;
        return 0;
}

/* Parts of letters, digits and "_+-": nothing that leaves the directory of zones. */
static bool zone_valid(const char *s) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-";

        for (;; s++) {
                size_t n = strspn(s, letters);

                if (n == 0 || (s[n] != '\0' && s[n] != '/'))
                        return false;
                s += n;
                if (*s == '\0')
                        return true;
        }
}

static int add_capability(uint64_t *set, int option, const char *value) {
        unsigned number;

        if (option == LAUNCH_DROP_CAPABILITY && streq(value, "all")) {
                *set = UINT64_MAX;
                return 0;
        }
        if (capability_parse(value, &number) < 0)
                return wrong_value(launch_options[option].name, value, "the name of a capability, CAP_...");
        *set |= UINT64_C(1) << number;
        return 0;
}

/* PATH, and behind a blank some of r, w and m. */
static int add_device(Plan *plan, const char *value) {
        static const char expected[] = "a path below /dev and some of r, w and m";
        size_t n = strcspn(value, " ");
        DeviceSpec *grown;
        const char *access = value + n + (value[n] != '\0');
        char *path = strndup(value, n);

        if (!path)
                return log_oom();
        if (!startswith(path, "/dev/") || !path_plain(path) || endswith(path, "/") || *access == '\0' ||
            strspn(access, "rwm") != strlen(access)) {
                free(path);
                return wrong_value("device", value, expected);
        }
        grown = reallocarray(plan->devices, plan->n_devices + 1, sizeof(*grown));
        if (!grown) {
                free(path);
                return log_oom();
        }
        plan->devices = grown;
        plan->devices[plan->n_devices++] = (DeviceSpec){ .path = path,
                                                         .read = strchr(access, 'r') != NULL,
                                                         .write = strchr(access, 'w') != NULL };
        return 0;
}

static int add_secret(Plan *plan, const char *value) {
        Secrets secrets = SECRETS_NONE;
        int r = secrets_add(&secrets, value);

        secrets_done(&secrets);
        return r == -EINVAL ? wrong_value("secret", value, "NAME or NAME:env=VARIABLE")
                            : add_string(&plan->secrets, value);
}

static int add_sysctl(Plan *plan, const char *value) {
        _cleanup_free_ char *key = strndup(value, strcspn(value, "="));
        SysctlScope scope;

        if (!key)
                return log_oom();
        scope = value[strlen(key)] == '=' ? sysctl_scope(key) : _SYSCTL_SCOPE_INVALID;
        if ((int) scope < 0)
                return wrong_value("sysctl", value, "KEY=VALUE of the container's own namespaces");
        return add_string(&plan->sysctls, value);
}

static int add_path(char ***v, int option, const char *value) {
        return path_plain(value + (value[0] == '-')) ? add_string(v, value)
                                                     : wrong_value(launch_options[option].name, value,
                                                                   "an absolute path without '..'");
}

static int add_given_path(char ***v, int option, const char *value) {
        return value[0] == '/' && path_plain(value) ? add_string(v, value)
                                                    : wrong_value(launch_options[option].name, value,
                                                                  "an absolute path without '..'");
}

static int add_host(Plan *plan, const char *value) {
        char name[NET_DOMAIN_SIZE];
        const char *problem;
        NetAddress address;

        return net_parse_host(value, name, &address, &problem) < 0
                               ? wrong_value("add-host", value, "NAME:ADDRESS")
                               : add_string(&plan->hosts, value);
}

static int add_label(Plan *plan, const char *value) {
        if (value[0] == '=' || !strchr(value, '='))
                return wrong_value("label", value, "KEY=VALUE");
        return strv_env_set(&plan->labels, value) < 0 ? log_oom() : 0;
}

static int add_setup(Plan *plan, const char *value, bool begins) {
        if (begins ? value[0] == '\0' : !plan->setup)
                return wrong_value(begins ? "setup" : "setup-word", value, "a command, and then its words");
        return strv_appendf(&plan->setup, "%c%s", begins ? '!' : ' ', value) < 0 ? log_oom() : 0;
}

/* Writes the values that are added to others. */
static int set_listed(Plan *plan, int option, const char *value) {
        switch (option) {
        case LAUNCH_SUPPLEMENTARY_GROUP:
                return value[0] == '\0' ? wrong_value("supplementary-group", value, "a group")
                                        : add_string(&plan->groups, value);
        case LAUNCH_CAPABILITY:
                return add_capability(&plan->add_capabilities, option, value);
        case LAUNCH_DROP_CAPABILITY:
                return add_capability(&plan->drop_capabilities, option, value);
        case LAUNCH_AMBIENT_CAPABILITY:
                return add_capability(&plan->ambient_capabilities, option, value);
        case LAUNCH_SYSTEM_CALL_FILTER:
                return value[0] == '\0' || strchr(value, '\n')
                                       ? wrong_value("system-call-filter", value, "names of system calls")
                                       : add_string(&plan->system_call_filters, value);
        case LAUNCH_SETUP:
        case LAUNCH_SETUP_WORD:
                return add_setup(plan, value, option == LAUNCH_SETUP);
        case LAUNCH_SECRET:
                return add_secret(plan, value);
        case LAUNCH_DEVICE:
                return add_device(plan, value);
        case LAUNCH_SYSCTL:
                return add_sysctl(plan, value);
        case LAUNCH_READ_PATH:
                return add_given_path(&plan->read_paths, option, value);
        case LAUNCH_WRITE_PATH:
                return add_given_path(&plan->write_paths, option, value);
        case LAUNCH_READ_ONLY_PATH:
                return add_path(&plan->read_only_paths, option, value);
        case LAUNCH_INACCESSIBLE_PATH:
                return add_path(&plan->inaccessible_paths, option, value);
        case LAUNCH_ADD_HOST:
                return add_host(plan, value);
        case LAUNCH_LABEL:
                return add_label(plan, value);
        default:
                return unsupported_take(plan, option, value);
        }
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
                return set_network(plan, value);
        case LAUNCH_WORKING_DIRECTORY:
                plan->working_directory = value;
                return value[0] == '/' ? 0 : wrong_value("working-directory", value, "an absolute path");
        case LAUNCH_REQUIRE_CONTROLLER:
                if (value[0] == '\0' || value[strspn(value, "abcdefghijklmnopqrstuvwxyz")] != '\0')
                        return wrong_value("require-controller", value, "the name of a cgroup controller");
                return add_string(&plan->controllers, value);
        case LAUNCH_MOUNT:
                return mount_spec_add(plan, value);
        case LAUNCH_KILL_SIGNAL:
                return signal_parse(value, &plan->kill_signal) < 0
                                       ? wrong_value("kill-signal", value, "the name of a signal")
                                       : 0;
        case LAUNCH_UMASK:
                plan->umask_set = true;
                return parse_mode(value, &plan->umask) < 0 ? wrong_value("umask", value, "octal digits") : 0;
        case LAUNCH_DISK:
                return parse_uint64(value, &plan->disk) < 0 || plan->disk == 0
                                       ? wrong_value("disk", value, "a number above 0")
                                       : 0;
        case LAUNCH_SHM_SIZE:
                return parse_size(value, &plan->shm_size) < 0 || plan->shm_size == 0
                                       ? wrong_value("shm-size", value, "a size above 0")
                                       : 0;
        case LAUNCH_IPC_NAMESPACE:
                return set_namespace(option, value, &plan->host_ipc);
        case LAUNCH_PID_NAMESPACE:
                return set_namespace(option, value, &plan->host_pids);
        case LAUNCH_APPARMOR_PROFILE:
                plan->apparmor_profile = value;
                return value[0] != '\0' && !strpbrk(value, " \n")
                                       ? 0
                                       : wrong_value("apparmor-profile", value, "the name of a profile");
        case LAUNCH_PROFILE:
                r = word_index(profiles, ARRAY_LEN(profiles), value);
                plan->profile = (Profile) r;
                return r <= 0 ? wrong_value("profile", value, "minimal, standard or full") : 0;
        case LAUNCH_NOTIFY:
                r = word_index(notify_modes, ARRAY_LEN(notify_modes), value);
                plan->notify = (NotifyMode) r;
                return r < 0 ? wrong_value("notify", value, "yes, no or healthy") : 0;
        case LAUNCH_SECCOMP_PROFILE:
                plan->seccomp_profile = value;
                return value[0] == '/' ? 0 : wrong_value("seccomp-profile", value, "an absolute path");
        case LAUNCH_TIMEZONE:
                plan->timezone = value;
                return zone_valid(value) ? 0 : wrong_value("timezone", value, "a name of tzdata, or local");
        case LAUNCH_RESOLV_CONF:
                r = word_index(resolv_confs, ARRAY_LEN(resolv_confs), value);
                plan->resolv_conf = (ResolvConf) r;
                return r < 0 ? wrong_value("resolv-conf", value, "auto, off or copy-host") : 0;
        default:
                return set_listed(plan, option, value);
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
        case LAUNCH_NO_NEW_PRIVILEGES:
                return set_bool(option, value, &plan->no_new_privs);
        case LAUNCH_SHARED_RUN:
                return set_bool(option, value, &plan->shared_run);
        case LAUNCH_SETUP_NETWORK:
                return set_bool(option, value, &plan->setup_network);
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

uint64_t plan_capabilities(const Plan *plan) {
        return (capability_default_set() & ~plan->drop_capabilities) | plan->add_capabilities;
}

static int by_target(const void *a, const void *b) {
        return strcmp(((const MountSpec *) a)->target, ((const MountSpec *) b)->target);
}

static int check_whole(const Plan *plan) {
        if (!plan->name)
                return log_error_errno(EINVAL, "--name= is missing");
        if (!plan->image && plan->profile == PROFILE_NONE)
                return log_error_errno(EINVAL, "--image= is missing");
        if (plan->image && plan->profile != PROFILE_NONE)
                return log_error_errno(EINVAL, "--image= and --profile= exclude each other");
        if ((plan->read_paths || plan->write_paths) && plan->profile == PROFILE_NONE)
                return log_error_errno(EINVAL,
                                       "--read-path= and --write-path= are of --profile=; use --mount=");
        if (plan->system_call_filters && plan->seccomp_profile)
                return log_error_errno(EINVAL,
                                       "--system-call-filter= and --seccomp-profile= exclude each other");
        for (char *const *s = plan->sysctls; plan->host_ipc && s && *s; s++)
                if (!startswith(*s, "net."))
                        return log_error_errno(
                                        EINVAL,
                                        "--sysctl=%s would change the host's with --ipc-namespace=host", *s);
        if (plan->setup && plan->ephemeral)
                return log_error_errno(EINVAL,
                                       "--setup= makes a layer that is kept: it needs --ephemeral=no");
        if (plan->disk > 0 && !plan->image)
                return log_error_errno(EINVAL,
                                       "--disk= limits a layer over an image, and --profile= has none");
        if (plan->ambient_capabilities & ~plan_capabilities(plan))
                return log_error_errno(EINVAL,
                                       "--ambient-capability= names one that the container does not have");
        return 0;
}

int plan_order_mounts(Plan *plan) {
        if (plan->n_mounts > 1)
                qsort(plan->mounts, plan->n_mounts, sizeof(*plan->mounts), by_target);
        for (size_t i = 1; i < plan->n_mounts; i++)
                if (by_target(&plan->mounts[i - 1], &plan->mounts[i]) == 0)
                        return log_error_errno(EINVAL, "two mounts have the target '%s'",
                                               plan->mounts[i].target);
        return 0;
}

int plan_parse(int argc, char *argv[], Plan *ret) {
        _cleanup_plan_ Plan plan = { .init = true, .ephemeral = true, .no_new_privs = true };
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
        r = check_whole(&plan);
        if (r >= 0)
                r = plan_order_mounts(&plan);
        if (r < 0)
                return r;
        *ret = plan;
        plan = (Plan){};
        return 0;
}
