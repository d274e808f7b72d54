/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/keys.h"

#include <ctype.h>

#include "generator/types-health.h"
#include "generator/types-network.h"
#include "generator/types-process.h"

#define NAME_MAX_COMPARED 40 /* no name of ours is nearly so long */

static const Section sections[] = {
        { "Container", SECTION_KEYS }, { "Mount", SECTION_NAMED }, { "Network", SECTION_KEYS },
        { "Limits", SECTION_KEYS },    { "Unit", SECTION_PASS },   { "Service", SECTION_PASS },
        { "Install", SECTION_PASS },   { "Health", SECTION_KEYS }, { "Hooks", SECTION_KEYS },
        { "Setup", SECTION_KEYS },     { "Socket", SECTION_PASS }, { "Timer", SECTION_PASS },
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
        { "Container", "Profile", &type_profile, false,
          "Instead of an image, the host's own /usr read-only: minimal, standard or full." },
        { "Container", "ReadPath", &type_paths, true,
          "With Profile=, paths of the host that the container can read." },
        { "Container", "WritePath", &type_paths, true,
          "With Profile=, paths of the host that the container can read and write." },
        { "Container", "SupplementaryGroups", &type_users, true,
          "Groups beside the primary one: names from the container's own files, or numbers." },
        { "Container", "UMask", &type_umask, false,
          "The permission bits that new files of the command do not get, in octal." },
        { "Container", "Timezone", &type_timezone, false,
          "The time zone inside, such as Europe/Berlin; local is the host's." },
        { "Container", "Secret", &type_secrets, true,
          "Secrets of the host that the container can read, NAME or NAME:env=VARIABLE." },
        { "Container", "Notify", &type_notify, false,
          "When the service is ready: no, at its start; yes, when the application says so; healthy, at the first good health check." },
        { "Container", "Capability", &type_capabilities, true,
          "Capabilities beyond the default ones, by the names of capabilities(7)." },
        { "Container", "DropCapability", &type_drops, true,
          "Default capabilities that the container does not have, or all." },
        { "Container", "AmbientCapability", &type_capabilities, true,
          "Capabilities that a command that is not root has as well." },
        { "Container", "NoNewPrivileges", &type_bool, false,
          "Whether set-uid programs and file capabilities give nothing inside." },
        { "Container", "SystemCallFilter", &type_call_filter, true,
          "System calls that are allowed, or with '~' first refused: names and groups, as systemd has them." },
        { "Container", "SeccompProfile", &type_path, false,
          "A file of the host with an OCI seccomp profile, in the place of the default filter." },
        { "Container", "AppArmorProfile", &type_apparmor, false,
          "The AppArmor profile of the command." },
        { "Container", "Device", &type_device, true,
          "A device node of the host that the container has too: /dev/NAME and some of r, w and m (DeviceAllow=)." },
        { "Container", "Sysctl", &type_sysctl, true,
          "A sysctl of the container's own namespaces: KEY=VALUE." },
        { "Container", "ShmSize", &type_size, false,
          "How large /dev/shm may grow." },
        { "Container", "Tmpfs", &type_tmpfs, true,
          "Memory at a path inside: PATH[:OPTIONS]." },
        { "Container", "InaccessiblePaths", &type_marked_paths, true,
          "Paths inside that are hidden behind something empty." },
        { "Container", "ReadOnlyPaths", &type_marked_paths, true,
          "Paths inside that are read-only, with all below them." },
        { "Container", "LimitCPU", &type_limit_seconds, false,
          "CPU time of each process (RLIMIT_CPU)." },
        { "Container", "LimitFSIZE", &type_limit_size, false,
          "Size of each file that is written (RLIMIT_FSIZE)." },
        { "Container", "LimitDATA", &type_limit_size, false,
          "Size of each process's data (RLIMIT_DATA)." },
        { "Container", "LimitSTACK", &type_limit_size, false,
          "Size of each process's stack (RLIMIT_STACK)." },
        { "Container", "LimitCORE", &type_limit_size, false,
          "Size of a core file (RLIMIT_CORE)." },
        { "Container", "LimitRSS", &type_limit_size, false,
          "Resident memory, which the kernel ignores (RLIMIT_RSS)." },
        { "Container", "LimitNOFILE", &type_limit_count, false,
          "Open files of each process (RLIMIT_NOFILE)." },
        { "Container", "LimitAS", &type_limit_size, false,
          "Address space of each process (RLIMIT_AS)." },
        { "Container", "LimitNPROC", &type_limit_count, false,
          "Processes of each user (RLIMIT_NPROC)." },
        { "Container", "LimitMEMLOCK", &type_limit_size, false,
          "Memory that each process may lock (RLIMIT_MEMLOCK)." },
        { "Container", "LimitLOCKS", &type_limit_count, false,
          "File locks, which the kernel ignores (RLIMIT_LOCKS)." },
        { "Container", "LimitSIGPENDING", &type_limit_count, false,
          "Signals that wait for each user (RLIMIT_SIGPENDING)." },
        { "Container", "LimitMSGQUEUE", &type_limit_size, false,
          "Bytes in message queues of each user (RLIMIT_MSGQUEUE)." },
        { "Container", "LimitNICE", &type_limit_nice, false,
          "The best nice value that a process may take (RLIMIT_NICE)." },
        { "Container", "LimitRTPRIO", &type_limit_count, false,
          "The highest real-time priority (RLIMIT_RTPRIO)." },
        { "Container", "LimitRTTIME", &type_limit_usec, false,
          "CPU time of a real-time process without a rest (RLIMIT_RTTIME)." },
        { "Container", "SharedRun", &type_bool, false,
          "Whether the host's /run is mounted; that equals access to the host." },
        { "Container", "ResolvConf", &type_resolv_conf, false,
          "The container's resolv.conf: auto, what its network has; off, the image's; copy-host, a copy of the host's." },
        { "Container", "AddHost", &type_host, true,
          "Lines for the container's /etc/hosts: NAME:ADDRESS." },
        { "Container", "PidNamespace", &type_namespace, false,
          "Whether the container sees its own processes only: private or host." },
        { "Container", "IpcNamespace", &type_namespace, false,
          "Whether the container has its own System V IPC and message queues: private or host." },
        { "Container", "KillSignal", &type_signal, false,
          "The signal that asks the command to stop (KillSignal=)." },
        { "Container", "StopTimeout", &type_span, false,
          "How long the command may take to stop before it is killed (TimeoutStopSec=)." },
        { "Container", "ReloadSignal", &type_signal, false,
          "The signal that systemctl reload sends to the command." },
        { "Container", "ReloadExec", &type_program, false,
          "The command that systemctl reload runs in the container." },
        { "Container", "Boot", &type_bool, false,
          "Whether the image is a whole system, which systemd-nspawn boots." },
        { "Container", "Template", &type_template, false,
          "With Boot=yes, the arguments of systemd-nspawn: a file NAME.nspawn-args." },
        { "Container", "Label", &type_label, true,
          "A label KEY=VALUE, which berth list and berth status show." },

        { "Mount", "Type", &type_mount_type, false,
          "What is mounted: volume, bind, assets, pointer, backup or tmpfs." },
        { "Mount", "Source", &type_text, false,
          "Its name, or of Type=bind an absolute path of the host; OTHER:NAME is another container's." },
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
        { "Mount", "Subpath", &type_text, false,
          "What below the source is mounted, in the place of the source itself." },
        { "Mount", "Recursive", &type_bool, false,
          "Whether a bind takes along what is mounted below its source." },

        { "Network", "Mode", &type_network_mode, false,
          "The network that the container sees: private, its own; none, only loopback; host, the host's; join:OTHER, another container's." },
        { "Network", "Publish", &type_publish, true,
          "Ports of the host that lead into the container: [ADDR:]HOST[-HOST]:CONTAINER[-CONTAINER][/tcp|udp|sctp]." },
        { "Network", "Policy", &type_policy, false,
          "What the container may reach: allow-all, deny-all, or custom, what the lists below say." },
        { "Network", "Default", &type_default, false,
          "What a custom policy does with all that no list names: allow or deny." },
        { "Network", "AllowDomain", &type_domains, true,
          "Names that may be reached: NAME, exactly that one, or *.NAME, all below it." },
        { "Network", "AllowCIDR", &type_prefixes, true,
          "Networks that may be reached." },
        { "Network", "DenyCIDR", &type_prefixes, true,
          "Networks that may not be reached, whatever else is allowed." },
        { "Network", "Allow", &type_endpoints, true,
          "Single services that may be reached: ADDR:PORT/PROTO." },
        { "Network", "Protocol", &type_protocols, true,
          "The protocols that may be used: tcp, udp, icmp." },
        { "Network", "DNS", &type_resolvers, true,
          "The resolvers that the container asks, and no others." },
        { "Network", "Link", &type_links, true,
          "Other containers that may be reached by their name: OTHER or OTHER:PORT." },
        { "Network", "AllowHost", &type_ports, true,
          "Ports of the host that may be reached." },
        { "Network", "Bandwidth", &type_rate, false,
          "Bits a second that the container receives at most." },
        { "Network", "BandwidthUp", &type_rate, false,
          "Bits a second that the container sends at most." },
        { "Network", "Address", &type_addresses, true,
          "The container's own addresses, one of IPv4 and one of IPv6." },
        { "Network", "IPv6", &type_bool, false,
          "Whether the container has IPv6." },

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
        { "Limits", "MemoryHigh", &type_size, false,
          "How much memory the container gets before it is slowed down (MemoryHigh=)." },
        { "Limits", "IOWeight", &type_weight, false,
          "The container's share of input and output, from 1 to 10000 (IOWeight=)." },
        { "Limits", "IORead", &type_io_rate, true,
          "Bytes a second that it reads from a disk at most: [PATH] BYTES (IOReadBandwidthMax=)." },
        { "Limits", "IOWrite", &type_io_rate, true,
          "Bytes a second that it writes to a disk at most: [PATH] BYTES (IOWriteBandwidthMax=)." },
        { "Limits", "Disk", &type_size, false,
          "How much the container may write to its root." },
        { "Limits", "OpenFiles", &type_count, false,
          "How many files each process has open at most (LimitNOFILE=)." },

        { "Hooks", "NetworkUp", &type_command, false,
          "What the host runs when the container's network is up; if it fails, the start does." },
        { "Hooks", "NetworkDown", &type_command, false,
          "What the host runs when the container's network is gone." },
        { "Hooks", "PolicyChanged", &type_command, false,
          "What the host runs when a reload has changed the network's policy." },
        { "Hooks", "Error", &type_command, false,
          "What the host runs when the container fails." },

        { "Setup", "Exec", &type_program, true,
          "Commands that are run once, in a new layer that is kept, before the first start." },
        { "Setup", "Network", &type_bool, false,
          "Whether these commands have a network." },

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

const Key *key_at(size_t i) {
        return i < ARRAY_LEN(keys) ? &keys[i] : NULL;
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
        size_t n = strlen(name), m = strlen(candidate), near = MAX(m / 3, 1);
        unsigned d;

        if (MAX(n, m) - MIN(n, m) > near)
                return; /* as many letters at least must be added: no need to count */
        d = distance(name, candidate);
        if (d <= near && d < *best_distance) {
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
