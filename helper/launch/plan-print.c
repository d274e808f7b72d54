/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/capability.h"
#include "common/signals.h"
#include "helper/launch/plan-mount.h"
#include "helper/launch/unsupported.h"

/* --dry-run: the plan as text. */

/* One value a line, whatever bytes it holds. */
void plan_print_value(FILE *f, const char *key, const char *value) {
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
                plan_print_value(f, key, *v);
}

static void print_capabilities(FILE *f, const char *key, uint64_t set) {
        for (unsigned i = 0; i < 64; i++)
                if ((set & UINT64_C(1) << i) && capability_name(i))
                        plan_print_value(f, key, capability_name(i));
}

/* What the command's process is and may. */
static void print_process(FILE *f, const Plan *plan) {
        char name[SIGNAL_NAME_SIZE];

        if (plan->umask_set)
                fprintf(f, "UMask: %04o\n", plan->umask);
        if (plan->kill_signal > 0) {
                signal_format(plan->kill_signal, name);
                plan_print_value(f, "KillSignal", name);
        }
        print_capabilities(f, "Capability", plan_capabilities(plan));
        print_capabilities(f, "AmbientCapability", plan->ambient_capabilities);
        plan_print_value(f, "NoNewPrivileges", plan->no_new_privs ? "yes" : "no");
        print_vector(f, "SystemCallFilter", plan->system_call_filters);
        if (plan->seccomp_profile)
                plan_print_value(f, "SeccompProfile", plan->seccomp_profile);
        for (size_t i = 0; i < plan->n_devices; i++)
                fprintf(f, "Device: %s %s%s\n", plan->devices[i].path, plan->devices[i].read ? "r" : "",
                        plan->devices[i].write ? "w" : "");
        print_vector(f, "Sysctl", plan->sysctls);
        for (char **word = plan->setup; word && *word; word++)
                plan_print_value(f, **word == '!' ? "Setup" : "SetupWord", *word + 1);
        if (plan->setup)
                plan_print_value(f, "SetupNetwork", plan->setup_network ? "yes" : "no");
        if (plan->disk > 0)
                fprintf(f, "Disk: %llu\n", (unsigned long long) plan->disk);
        if (plan->apparmor_profile)
                plan_print_value(f, "AppArmorProfile", plan->apparmor_profile);
        if (plan->shared_run)
                plan_print_value(f, "SharedRun", "yes");
        if (plan->host_pids)
                plan_print_value(f, "PidNamespace", "host");
        if (plan->host_ipc)
                plan_print_value(f, "IpcNamespace", "host");
        if (plan->shm_size > 0)
                fprintf(f, "ShmSize: %llu\n", (unsigned long long) plan->shm_size);
}

void plan_print(FILE *f, const Plan *plan) {
        static const char *const network_modes[] = {
                [NETWORK_PRIVATE] = "private", [NETWORK_NONE] = "none", [NETWORK_HOST] = "host"
        };
        static const char *const resolv_confs[] = {
                [RESOLV_CONF_AUTO] = "auto", [RESOLV_CONF_OFF] = "off", [RESOLV_CONF_COPY_HOST] = "copy-host"
        };
        static const char *const profiles[] = { [PROFILE_NONE] = "",
                                                [PROFILE_MINIMAL] = "minimal",
                                                [PROFILE_STANDARD] = "standard",
                                                [PROFILE_FULL] = "full" };
        static const char *const users[] = {
                [PRIVATE_USERS_PICK] = "pick",
                [PRIVATE_USERS_IDENTITY] = "identity",
                [PRIVATE_USERS_NO] = "no",
        };

        plan_print_value(f, "Name", plan->name);
        if (plan->image)
                plan_print_value(f, "Image", plan->image);
        if (plan->profile != PROFILE_NONE)
                plan_print_value(f, "Profile", profiles[plan->profile]);
        print_vector(f, "ReadPath", plan->read_paths);
        print_vector(f, "WritePath", plan->write_paths);
        print_vector(f, "Entrypoint", plan->entrypoint);
        print_vector(f, "Exec", plan->command);
        plan_print_value(f, "User", plan->user ? plan->user : "0");
        if (plan->group)
                plan_print_value(f, "Group", plan->group);
        print_vector(f, "SupplementaryGroup", plan->groups);
        plan_print_value(f, "WorkingDirectory", plan->working_directory ? plan->working_directory : "/");
        print_vector(f, "Environment", plan->env);
        print_vector(f, "EnvironmentFile", plan->env_files);
        print_vector(f, "Secret", plan->secrets);
        if (plan->hostname)
                plan_print_value(f, "Hostname", plan->hostname);
        if (plan->timezone)
                plan_print_value(f, "Timezone", plan->timezone);
        plan_print_value(f, "Init", plan->init ? "yes" : "no");
        if (plan->notify != NOTIFY_NO)
                plan_print_value(f, "Notify", plan->notify == NOTIFY_YES ? "yes" : "healthy");
        plan_print_value(f, "ReadOnly", plan->read_only ? "yes" : "no");
        plan_print_value(f, "Ephemeral", plan->ephemeral ? "yes" : "no");
        if (plan->private_users == PRIVATE_USERS_RANGE)
                fprintf(f, "PrivateUsers: %u:%u\n", plan->uid_base, plan->uid_count);
        else
                plan_print_value(f, "PrivateUsers", users[plan->private_users]);
        print_process(f, plan);
        for (size_t i = 0; i < plan->n_mounts; i++)
                mount_spec_print(f, &plan->mounts[i]);
        print_vector(f, "ReadOnlyPath", plan->read_only_paths);
        print_vector(f, "InaccessiblePath", plan->inaccessible_paths);
        plan_print_value(f, "ResolvConf", resolv_confs[plan->resolv_conf]);
        print_vector(f, "AddHost", plan->hosts);
        print_vector(f, "Label", plan->labels);
        if (plan->network == NETWORK_JOIN)
                fprintf(f, "Network: join:%s\n", plan->network_of);
        else
                plan_print_value(f, "Network", network_modes[plan->network]);
        if (plan->sockets)
                plan_print_value(f, "Sockets", "yes");
        print_vector(f, "RequireController", plan->controllers);
        unsupported_print(f, plan);
}
