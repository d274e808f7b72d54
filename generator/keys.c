/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/keys.h"

#include <ctype.h>

#include "generator/types-health.h"

#define NAME_MAX_COMPARED 40 /* no name of ours is nearly so long */

static const Section sections[] = {
        { "Container", SECTION_KEYS }, { "Mount", SECTION_NAMED }, { "Network", SECTION_KEYS },
        { "Limits", SECTION_KEYS },    { "Unit", SECTION_PASS },   { "Service", SECTION_PASS },
        { "Install", SECTION_PASS },   { "Health", SECTION_KEYS }, { "Hooks", SECTION_LATER },
        { "Setup", SECTION_LATER },    { "Socket", SECTION_PASS }, { "Timer", SECTION_PASS },
};

/* clang-format off */
static const Key keys[] = {
        { "Container", "Image", &type_image, false,
          "What the container's root is made from: the id of an imported image, or an absolute path to a directory." },
        { "Container", "Exec", &type_words, false,
          "The command's words, in the place of those of the image; set empty, the container idles and waits for exec." },
        { "Container", "Entrypoint", &type_words, false,
          "The words before those of Exec=, in the place of the image's; set empty, there are none." },
        { "Container", "User", &type_user, false,
          "The user that the command runs as: a name from the container's own files, or a number." },
        { "Container", "Group", &type_user, false,
          "The command's primary group: a name from the container's own files, or a number." },
        { "Container", "WorkingDirectory", &type_path, false,
          "The directory inside the container in which the command starts." },
        { "Container", "Environment", &type_environment, true,
          "Variables, as words NAME=VALUE; later ones win." },
        { "Container", "EnvironmentFile", &type_path, true,
          "A file of the host with lines NAME=VALUE, read when the container starts; Environment= wins over it." },
        { "Container", "Hostname", &type_hostname, false,
          "The host name inside the container." },
        { "Container", "Init", &type_bool, false,
          "Whether a small init reaps processes and forwards signals; otherwise the command itself is PID 1." },
        { "Container", "ReadOnly", &type_bool, false,
          "Whether the container's root is read-only." },
        { "Container", "Ephemeral", &type_bool, false,
          "Whether what the container writes to its root is forgotten when it stops." },
        { "Container", "PrivateUsers", &type_private_users, false,
          "The host's user ids behind those of the container." },
        { "Container", "Volume", &type_volume, true,
          "A volume and where to mount it: VOLUME:/target[:ro][:idmap=...]." },
        { "Container", "Profile", NULL, false, NULL },
        { "Container", "ReadPath", NULL, true, NULL },
        { "Container", "WritePath", NULL, true, NULL },
        { "Container", "SupplementaryGroups", NULL, true, NULL },
        { "Container", "UMask", NULL, false, NULL },
        { "Container", "Timezone", NULL, false, NULL },
        { "Container", "Secret", NULL, true, NULL },
        { "Container", "Notify", NULL, false, NULL },
        { "Container", "Capability", NULL, true, NULL },
        { "Container", "DropCapability", NULL, true, NULL },
        { "Container", "AmbientCapability", NULL, true, NULL },
        { "Container", "NoNewPrivileges", NULL, false, NULL },
        { "Container", "SystemCallFilter", NULL, true, NULL },
        { "Container", "SeccompProfile", NULL, false, NULL },
        { "Container", "AppArmorProfile", NULL, false, NULL },
        { "Container", "Device", NULL, true, NULL },
        { "Container", "Sysctl", NULL, true, NULL },
        { "Container", "ShmSize", NULL, false, NULL },
        { "Container", "Tmpfs", NULL, true, NULL },
        { "Container", "InaccessiblePaths", NULL, true, NULL },
        { "Container", "ReadOnlyPaths", NULL, true, NULL },
        { "Container", "Limit*", NULL, false, NULL },
        { "Container", "SharedRun", NULL, false, NULL },
        { "Container", "ResolvConf", NULL, false, NULL },
        { "Container", "AddHost", NULL, true, NULL },
        { "Container", "PidNamespace", NULL, false, NULL },
        { "Container", "IpcNamespace", NULL, false, NULL },
        { "Container", "KillSignal", NULL, false, NULL },
        { "Container", "StopTimeout", NULL, false, NULL },
        { "Container", "ReloadSignal", NULL, false, NULL },
        { "Container", "ReloadExec", NULL, false, NULL },
        { "Container", "Boot", NULL, false, NULL },
        { "Container", "Template", NULL, false, NULL },
        { "Container", "Label", NULL, true, NULL },

        { "Mount", "Type", &type_mount_type, false,
          "What is mounted: volume, a directory that Berth keeps; bind, a path of the host; tmpfs, memory." },
        { "Mount", "Source", &type_text, false,
          "Type=volume: the volume's name, or OTHER:VOLUME for another container's; Type=bind: an absolute path." },
        { "Mount", "Target", &type_path, false,
          "Where it is mounted inside the container." },
        { "Mount", "ReadOnly", &type_bool, false,
          "Whether the mount is read-only." },
        { "Mount", "IDMap", &type_id_map, true,
          "Which ids on disk are which ids inside: auto, or ranges [u:|g:|b:]HOST:CONTAINER:RANGE." },
        { "Mount", "FileType", &type_file_type, false,
          "Whether the source is a file or a directory; infer finds out." },
        { "Mount", "Create", &type_bool, false,
          "Whether a missing source of Type=bind is made." },
        { "Mount", "Options", &type_mount_options, false,
          "Of Type=tmpfs: size=, mode=, nr_inodes=, uid= and gid=, commas between them." },
        { "Mount", "Subpath", NULL, false, NULL },
        { "Mount", "Recursive", NULL, false, NULL },

        { "Network", "Mode", &type_network_mode, false,
          "The network that the container sees: private, its own; none, only loopback; host, the host's." },
        { "Network", "Publish", NULL, true, NULL },
        { "Network", "Policy", NULL, false, NULL },
        { "Network", "Default", NULL, false, NULL },
        { "Network", "AllowDomain", NULL, true, NULL },
        { "Network", "AllowCIDR", NULL, true, NULL },
        { "Network", "DenyCIDR", NULL, true, NULL },
        { "Network", "Allow", NULL, true, NULL },
        { "Network", "Protocol", NULL, true, NULL },
        { "Network", "DNS", NULL, true, NULL },
        { "Network", "Link", NULL, true, NULL },
        { "Network", "AllowHost", NULL, true, NULL },
        { "Network", "Bandwidth", NULL, false, NULL },
        { "Network", "BandwidthUp", NULL, false, NULL },
        { "Network", "Address", NULL, true, NULL },
        { "Network", "IPv6", NULL, false, NULL },

        { "Limits", "CPUs", &type_cpus, false,
          "How many CPUs' worth of time the container gets at most (CPUQuota=)." },
        { "Limits", "Memory", &type_size, false,
          "How much memory the container gets at most (MemoryMax=)." },
        { "Limits", "Swap", &type_size_or_zero, false,
          "How much swap it gets beyond Memory= (MemorySwapMax=); none where only Memory= is set." },
        { "Limits", "Tasks", &type_count, false,
          "How many processes and threads the container has at most (TasksMax=)." },
        { "Limits", "Runtime", &type_span, false,
          "How long the container runs at most (RuntimeMaxSec=; with Type=oneshot, TimeoutStartSec=)." },
        { "Limits", "MemoryHigh", NULL, false, NULL },
        { "Limits", "IOWeight", NULL, false, NULL },
        { "Limits", "IORead", NULL, true, NULL },
        { "Limits", "IOWrite", NULL, true, NULL },
        { "Limits", "Disk", NULL, false, NULL },
        { "Limits", "OpenFiles", NULL, false, NULL },

        { "Health", "Exec", &type_words, false,
          "The command of the check, run in the container as its own user; status 0 is healthy." },
        { "Health", "Interval", &type_interval, false,
          "How long after a check the next one is made." },
        { "Health", "Timeout", &type_interval, false,
          "How long a check may take before it is ended and has failed." },
        { "Health", "Retries", &type_count, false,
          "After how many failed checks in a row the container is unhealthy." },
        { "Health", "StartPeriod", &type_start_period, false,
          "How long after the start failed checks do not count." },
        { "Health", "OnFailure", &type_health_action, false,
          "What is done to a container that becomes unhealthy: none, restart or stop." },

        /* The sections that pass on are systemd's; these are the ones that Berth acts upon itself. */
        { "Install", "Alias", &type_words, true,
          "More names for the service, each with its .service." },
        { "Install", "WantedBy", &type_words, true,
          "Units that want the service, such as multi-user.target: how it is started at boot." },
        { "Install", "RequiredBy", &type_words, true,
          "Units that require the service." },
        { "Install", "UpheldBy", &type_words, true,
          "Units that keep the service running (read by systemd 254 and newer)." },
        { "Install", "DefaultInstance", &type_text, false,
          "The instance that WantedBy= and its kin mean where the manifest is a template." },
};
/* clang-format on */

const Section *section_find(const char *name) {
        for (size_t i = 0; i < ARRAY_LEN(sections); i++)
                if (streq(sections[i].name, name))
                        return &sections[i];
        return NULL;
}

static bool key_matches(const Key *key, const char *name) {
        size_t n;

        if (key->name[0] != name[0])
                return false;
        n = strlen(key->name);
        if (key->name[n - 1] == '*')
                return strncmp(key->name, name, n - 1) == 0 && name[n - 1] != '\0';
        return streq(key->name, name);
}

const Key *key_find(const char *section, const char *name) {
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
                if (key_matches(&keys[i], name) && streq(keys[i].section, section))
                        return &keys[i];
        return NULL;
}

const Key *key_find_elsewhere(const char *name) {
        for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
                if (streq(keys[i].name, name) && section_find(keys[i].section)->kind == SECTION_KEYS)
                        return &keys[i];
        }
        return NULL;
}

static char lower(char c) {
        return (char) tolower((unsigned char) c);
}

/* How many letters must be changed, added, left out or swapped with a neighbour (optimal string alignment),
 * upper and lower case being the same. */
static unsigned distance(const char *a, const char *b) {
        unsigned rows[3][NAME_MAX_COMPARED + 1], *before = rows[0], *last = rows[1], *now = rows[2];
        size_t n = strlen(a), m = strlen(b);

        if (n > NAME_MAX_COMPARED || m > NAME_MAX_COMPARED)
                return NAME_MAX_COMPARED;
        for (unsigned j = 0; j <= m; j++)
                last[j] = before[j] = j;
        for (size_t i = 1; i <= n; i++) {
                unsigned *spare = before;

                now[0] = (unsigned) i;
                for (size_t j = 1; j <= m; j++) {
                        unsigned cost = lower(a[i - 1]) != lower(b[j - 1]);

                        now[j] = MIN(MIN(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
                        if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                            lower(a[i - 2]) == lower(b[j - 1]))
                                now[j] = MIN(now[j], before[j - 2] + 1);
                }
                before = last;
                last = now;
                now = spare;
        }
        return last[m];
}

/* Keeps candidate in *best if it is nearer to name, and near enough: a third of the letters. */
static void consider(const char *name, const char *candidate, const char **best, unsigned *best_distance) {
        unsigned d = distance(name, candidate);

        if (d <= MAX(strlen(candidate) / 3, 1) && d < *best_distance) {
                *best = candidate;
                *best_distance = d;
        }
}

const char *section_suggest(const char *name) {
        unsigned best_distance = NAME_MAX_COMPARED;
        const char *best = NULL;

        for (size_t i = 0; i < ARRAY_LEN(sections); i++)
                consider(name, sections[i].name, &best, &best_distance);
        return best;
}

const char *key_suggest(const char *section, const char *name) {
        unsigned best_distance = NAME_MAX_COMPARED;
        const char *best = NULL;

        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
                if (streq(keys[i].section, section))
                        consider(name, keys[i].name, &best, &best_distance);
        return best;
}

void keys_print(FILE *f) {
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
                if (keys[i].type)
                        fprintf(f, "%s\t%s\t%s\n", keys[i].section, keys[i].name, keys[i].doc);
}
