/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of Quadlet's keys: each is here or is no key of Quadlet. Rows whose function is more than its value
 * stand in the file of their subject. */

#include "common/strv.h"
#include "generator/carry.h"

/* Berth does it anyway, or it has no meaning for Berth: nothing is lost. */
static void nothing(Carry *c _unused_, const QuadletSetting *s _unused_, const CarryRow *row _unused_) {
}

/* Lost. */
static void lost(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        carry_warning(c, s, "%s= is not carried over: %s", s->key, row->text);
}

/* Lost if it asks for something. */
static void lost_if_yes(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (quadlet_bool(s) == 1)
                lost(c, s, row);
}

/* The value as it is. */
static void string(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_free_ char *value = NULL, *text = NULL;

        if (quadlet_string(s, &value) < 0) {
                c->failed = true;
                return;
        }
        text = carry_text(c, s, value);
        carry_put(c, s, row->out, row->to, text);
}

/* The value as words on one line. */
static void words(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_strv_ char **list = carry_words(c, s);
        _cleanup_text_ Text line = { 0 };

        for (char **word = list; word && *word; word++)
                carry_word(&line, *word);
        if (line.failed)
                c->failed = true;
        else if (line.size > 0)
                carry_put(c, s, row->out, row->to, line.data);
}

/* Each word on a line of its own, as it is. */
static void each_word(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_strv_ char **list = carry_words(c, s);

        for (char **word = list; word && *word; word++)
                carry_put(c, s, row->out, row->to, *word);
}

static void boolean(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        int b = quadlet_bool(s);

        if (b < 0)
                carry_warning(c, s,
                              "%s= is '%s', which podman takes for no; it is no yes or no, and is left out",
                              s->key, DIAG_CLIP(s->value));
        else
                carry_put(c, s, row->out, row->to, b ? "yes" : "no");
}

static void size(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        char text[32];

        if (!carry_size(s->value, text))
                carry_warning(c, s, "%s= is not carried over: '%s' is no size", s->key, DIAG_CLIP(s->value));
        else
                carry_put(c, s, row->out, row->to, text);
}

/* Seconds, or Go's spans, which systemd reads as well. */
static void span(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (streq(s->value, "disable"))
                carry_warning(c, s,
                              "%s=disable is not carried over: without a timer there is no health; remove [Health]",
                              s->key);
        else
                carry_put(c, s, row->out, row->to, streq(s->value, "-1") ? "infinity" : s->value);
}

static void container_name(Carry *c, const QuadletSetting *s, const CarryRow *row _unused_) {
        if (!streq(s->value, c->q->name) && !streq(s->value, "%p") && !streq(s->value, "%N"))
                carry_warning(c, s,
                              "ContainerName= is not carried over: a container is called as its unit, here '%s'; rename "
                              "the manifest if it must be '%s'",
                              c->q->name, DIAG_CLIP(s->value));
}

static void environment(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_strv_ char **list = carry_words(c, s);

        for (char **word = list; word && *word; word++) {
                _cleanup_text_ Text line = { 0 };

                carry_word(&line, *word);
                if (!strchr(*word, '='))
                        carry_warning(c, s,
                                      "Environment=%s is not carried over: it takes the variable of podman's service; "
                                      "write its value",
                                      DIAG_CLIP(*word));
                else if (line.failed)
                        c->failed = true;
                else
                        carry_put(c, s, row->out, row->to, line.data);
        }
}

static void paths(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_strv_ char **list = carry_words(c, s);

        for (char **word = list; word && *word; word++) {
                _cleanup_free_ char *path = carry_path(c, s, *word);

                carry_put(c, s, row->out, row->to, path);
        }
}

static void groups(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (streq(s->value, "keep-groups"))
                carry_warning(c, s, "GroupAdd=keep-groups is not carried over: name the groups");
        else
                string(c, s, row);
}

static void health_on_failure(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        const QuadletSetting *restart = quadlet_last(c->q, "Service", "Restart");
        const char *to = s->value;

        if (streq(to, "kill")) {
                to = restart && !streq(restart->value, "no") ? "restart" : "stop";
                carry_note(c, s, "HealthOnFailure=kill is OnFailure=%s, which is what comes of it with %s",
                           to, restart ? "this Restart=" : "no Restart=");
        }
        if (streq(to, "none") || streq(to, "restart") || streq(to, "stop"))
                carry_put(c, s, row->out, row->to, to);
        else
                carry_warning(c, s,
                              "HealthOnFailure= is not carried over: '%s' is none, kill, restart or stop",
                              DIAG_CLIP(s->value));
}

static void log_driver(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (!streq(s->value, "journald") && !streq(s->value, "passthrough"))
                lost(c, s, row);
}

static void cgroups_mode(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (streq(s->value, "disabled"))
                lost(c, s, row);
}

static void each_path(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        _cleanup_strv_ char **list = carry_words(c, s);

        for (char **word = list; word && *word; word++)
                for (char *save = NULL, *path = strtok_r(*word, ":", &save); path;
                     path = strtok_r(NULL, ":", &save))
                        carry_put(c, s, row->out, row->to, path);
}

/* Does [Service] set that limit as well, on the podman that is no more? */
static bool limited(Carry *c, const QuadletSetting *s, const char *const *directives) {
        for (; *directives; directives++)
                if (quadlet_last(c->q, "Service", *directives)) {
                        carry_warning(c, s,
                                      "%s= is not carried over: %s= of [Service] sets the same limit; keep one",
                                      s->key, *directives);
                        return true;
                }
        return false;
}

static void memory(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        static const char *const directives[] = { "MemoryMax", "MemoryLimit", "MemorySwapMax", NULL };

        if (limited(c, s, directives))
                return;
        size(c, s, row);
        if (carry_has(c, row->out, row->to))
                carry_note(c, s,
                           "Memory= goes without swap; podman lets as much swap be used (Swap= in [Limits])");
}

static void tasks(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        static const char *const directives[] = { "TasksMax", NULL };

        if (s->value[0] == '-' || streq(s->value, "0")) /* as many as it likes, which is our default */
                return;
        if (!limited(c, s, directives))
                carry_put(c, s, row->out, row->to, s->value);
}

static void notify(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        const QuadletSetting *type = quadlet_last(c->q, "Service", "Type");

        if (type && streq(type->value, "oneshot"))
                return; /* podman takes no notice of it either */
        if (strcasecmp(s->value, "healthy") == 0)
                carry_put_ahead(c, s, row->out, row->to, "healthy");
        else
                boolean(c, s, row);
}

static void init(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (quadlet_bool(s) != 1) /* yes is our default */
                boolean(c, s, row);
}

static void no_new_privileges(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (quadlet_bool(s) == 1) /* our default, and no longer worth a note */
                carry_put(c, s, row->out, row->to, "yes");
        else
                boolean(c, s, row);
}

static void add_host(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (endswith(s->value, ":host-gateway"))
                carry_warning(c, s,
                              "AddHost=%s is not carried over: name an address, and AllowHost=PORT in [Network]",
                              DIAG_CLIP(s->value));
        else
                string(c, s, row);
}

static void address(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        string(c, s, row);
        carry_note(c, s, "%s= was an address of podman's network; see that it is one of Berth's", s->key);
}

static void resolver(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (streq(s->value, "none"))
                lost(c, s, row);
        else
                string(c, s, row);
}

/* A pod's host name is that of all its members; here each has one, and the first takes the pod's. */
static void pod_hostname(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (c->first == c->q && !carry_has(c, CARRY_CONTAINER, "Hostname"))
                string(c, s, row);
}

/* What belongs to a pod's network belongs to the container that stands for it. */
static void first_string(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (c->first == c->q)
                (streq(s->key, "DNS") ? resolver : streq(s->key, "AddHost") ? add_host : address)(c, s, row);
}

static void first_lost(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (c->first == c->q)
                lost(c, s, row);
}

static void first_arguments(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (c->first == c->q)
                carry_arguments(c, s, row);
}

static void shm_size(Carry *c, const QuadletSetting *s, const CarryRow *row) {
        if (!carry_has(c, row->out, row->to))
                size(c, s, row);
}

#define NO_REGISTRY "a start pulls nothing; berth image import fetches the image, once"
#define NO_PODMAN   "it is said to podman, and there is none"
#define NO_STARTUP \
        "there is no health check of its own for the start; StartPeriod= of [Health] gives it time"
#define NO_LABEL  "Berth sets no SELinux labels; use SELinuxContext= in [Service]"
#define C         CARRY_IN_CONTAINER
#define P         CARRY_IN_POD
#define CONTAINER CARRY_CONTAINER
#define NETWORK   CARRY_NETWORK
#define LIMITS    CARRY_LIMITS
#define HEALTH    CARRY_HEALTH

/* clang-format off */
static const CarryRow rows[] = {
        { C, "Image",                 false, carry_image,          CONTAINER, "Image", NULL },
        { C, "Rootfs",                false, carry_rootfs,         CONTAINER, "Image", NULL },
        { C, "ContainerName",         false, container_name,       CONTAINER, NULL, NULL },
        { C, "ServiceName",           false, nothing,              CONTAINER, NULL, NULL }, /* quadlets_name() */
        { C, "HostName",              false, string,               CONTAINER, "Hostname", NULL },
        { C, "Timezone",              false, string,               CONTAINER, "Timezone", NULL },
        { C, "Label",                 true,  each_word,            CONTAINER, "Label", NULL },
        { C, "Annotation",            true,  lost,                 CONTAINER, NULL, "there are no annotations; use Label= in [Container]" },
        { C, "AutoUpdate",            false, lost,                 CONTAINER, NULL, "no registry is asked; import the new image and restart the service" },
        { C, "Pull",                  false, nothing,              CONTAINER, NULL, NULL }, /* carry_image() tells */
        { C, "Retry",                 false, nothing,              CONTAINER, NULL, NULL },
        { C, "RetryDelay",            false, nothing,              CONTAINER, NULL, NULL },

        { C, "Exec",                  false, words,                CONTAINER, "Exec", NULL },
        { C, "Entrypoint",            false, carry_entrypoint,     CONTAINER, "Entrypoint", NULL },
        { C, "WorkingDir",            false, string,               CONTAINER, "WorkingDirectory", NULL },
        { C, "RunInit",               false, init,                 CONTAINER, "Init", NULL },
        { C, "Environment",           true,  environment,          CONTAINER, "Environment", NULL },
        { C, "EnvironmentFile",       true,  paths,                CONTAINER, "EnvironmentFile", NULL },
        { C, "EnvironmentHost",       false, lost_if_yes,          CONTAINER, NULL, "the environment starts empty; name the variables in Environment=" },
        { C, "HttpProxy",             false, lost_if_yes,          CONTAINER, NULL, "the environment starts empty; write http_proxy=... in Environment=" },
        { C, "Secret",                true,  carry_secret,         CONTAINER, "Secret", NULL },

        { C, "User",                  false, carry_user,           CONTAINER, "User", NULL },
        { C, "Group",                 false, string,               CONTAINER, "Group", NULL },
        { C, "GroupAdd",              true,  groups,               CONTAINER, "SupplementaryGroups", NULL },
        /* carry_user_namespace() has all of these together, of the container or of its pod */
        { C | P, "UserNS",            false, nothing,              CONTAINER, NULL, NULL },
        { C | P, "UIDMap",            true,  nothing,              CONTAINER, NULL, NULL },
        { C | P, "GIDMap",            true,  nothing,              CONTAINER, NULL, NULL },
        { C | P, "SubUIDMap",         false, nothing,              CONTAINER, NULL, NULL },
        { C | P, "SubGIDMap",         false, nothing,              CONTAINER, NULL, NULL },
        { C | P, "RemapUsers",        false, nothing,              CONTAINER, NULL, NULL },
        { C | P, "RemapUid",          true,  nothing,              CONTAINER, NULL, NULL },
        { C | P, "RemapGid",          true,  nothing,              CONTAINER, NULL, NULL },
        { C | P, "RemapUidSize",      false, nothing,              CONTAINER, NULL, NULL },

        { C, "AddCapability",         true,  carry_capabilities,   CONTAINER, "Capability", NULL },
        { C, "DropCapability",        true,  carry_capabilities,   CONTAINER, "DropCapability", NULL },
        { C, "NoNewPrivileges",       false, no_new_privileges,    CONTAINER, "NoNewPrivileges", NULL },
        { C, "SeccompProfile",        false, carry_seccomp,        CONTAINER, "SeccompProfile", NULL },
        { C, "AppArmor",              false, string,               CONTAINER, "AppArmorProfile", NULL },
        { C, "SecurityLabelDisable",  false, nothing,              CONTAINER, NULL, NULL }, /* there is none */
        { C, "SecurityLabelNested",   false, lost_if_yes,          CONTAINER, NULL, NO_LABEL },
        { C, "SecurityLabelType",     false, lost,                 CONTAINER, NULL, NO_LABEL },
        { C, "SecurityLabelFileType", false, lost,                 CONTAINER, NULL, NO_LABEL },
        { C, "SecurityLabelLevel",    false, lost,                 CONTAINER, NULL, NO_LABEL },
        { C, "Mask",                  true,  each_path,            CONTAINER, "InaccessiblePaths", NULL },
        { C, "Unmask",                true,  lost,                 CONTAINER, NULL, "what Berth hides of /proc and /sys stays hidden" },

        { C | P, "Volume",            true,  carry_volume,         CARRY_MOUNTS, NULL, NULL },
        { C, "Mount",                 true,  carry_mount,          CARRY_MOUNTS, NULL, NULL },
        { C, "Tmpfs",                 true,  carry_tmpfs,          CARRY_MOUNTS, NULL, NULL },
        { C, "ReadOnly",              false, boolean,              CONTAINER, "ReadOnly", NULL },
        { C, "ReadOnlyTmpfs",         false, nothing,              CONTAINER, NULL, NULL }, /* carry_read_only_tmpfs() */
        { C, "VolatileTmp",           false, nothing,              CONTAINER, NULL, NULL },
        { C, "AddDevice",             true,  carry_device,         CONTAINER, "Device", NULL },
        { C, "ShmSize",               false, size,                 CONTAINER, "ShmSize", NULL },

        { C | P, "Network",           true,  carry_network,        NETWORK, "Mode", NULL },
        { C, "NetworkAlias",          true,  lost,                 NETWORK, NULL, "a container is reached by its name, from those that have Link= to it" },
        { C, "IP",                    false, address,              NETWORK, "Address", NULL },
        { C, "IP6",                   false, address,              NETWORK, "Address", NULL },
        { C | P, "PublishPort",       true,  carry_publish,        NETWORK, "Publish", NULL },
        { C, "ExposeHostPort",        true,  nothing,              NETWORK, NULL, NULL }, /* without a port of the host it opens none */
        { C, "DNS",                   true,  resolver,             NETWORK, "DNS", "it would leave the container without any; remove resolv.conf by ResolvConf=" },
        { C | P, "DNSOption",         true,  lost,                 NETWORK, NULL, "Berth writes resolv.conf; bring your own by ResolvConf= in [Container]" },
        { C | P, "DNSSearch",         true,  lost,                 NETWORK, NULL, "Berth writes resolv.conf; bring your own by ResolvConf= in [Container]" },
        { C, "AddHost",               true,  add_host,             CONTAINER, "AddHost", NULL },

        { C, "Memory",                false, memory,               LIMITS, "Memory", NULL },
        { C, "PidsLimit",             false, tasks,                LIMITS, "Tasks", NULL },
        { C, "Ulimit",                true,  carry_ulimit,         CONTAINER, NULL, NULL },
        { C, "Sysctl",                true,  each_word,            CONTAINER, "Sysctl", NULL },
        { C, "CgroupsMode",           false, cgroups_mode,         CONTAINER, NULL, "a container always has a control group" },

        { C, "Notify",                false, notify,               CONTAINER, "Notify", NULL },
        { C, "HealthCmd",             false, carry_health_command, HEALTH, "Exec", NULL },
        { C, "HealthInterval",        false, span,                 HEALTH, "Interval", NULL },
        { C, "HealthTimeout",         false, span,                 HEALTH, "Timeout", NULL },
        { C, "HealthRetries",         false, string,               HEALTH, "Retries", NULL },
        { C, "HealthStartPeriod",     false, span,                 HEALTH, "StartPeriod", NULL },
        { C, "HealthOnFailure",       false, health_on_failure,    HEALTH, "OnFailure", NULL },
        { C, "HealthLogDestination",  false, lost,                 HEALTH, NULL, "berth status has the last output" },
        { C, "HealthMaxLogCount",     false, lost,                 HEALTH, NULL, "berth status has the last output" },
        { C, "HealthMaxLogSize",      false, lost,                 HEALTH, NULL, "berth status has the last 4 KiB of output" },
        { C, "HealthStartupCmd",      false, lost,                 HEALTH, NULL, NO_STARTUP },
        { C, "HealthStartupInterval", false, lost,                 HEALTH, NULL, NO_STARTUP },
        { C, "HealthStartupRetries",  false, lost,                 HEALTH, NULL, NO_STARTUP },
        { C, "HealthStartupSuccess",  false, lost,                 HEALTH, NULL, NO_STARTUP },
        { C, "HealthStartupTimeout",  false, lost,                 HEALTH, NULL, NO_STARTUP },

        { C, "StopSignal",            false, string,               CONTAINER, "KillSignal", NULL },
        { C, "StopTimeout",           false, span,                 CONTAINER, "StopTimeout", NULL },
        { C, "ReloadCmd",             false, words,                CONTAINER, "ReloadExec", NULL },
        { C, "ReloadSignal",          false, string,               CONTAINER, "ReloadSignal", NULL },

        { C, "Pod",                   false, nothing,              NETWORK, NULL, NULL }, /* carry_pod_member() */
        { C, "StartWithPod",          false, nothing,              NETWORK, NULL, NULL },
        { C, "LogDriver",             false, log_driver,           CONTAINER, NULL, "output goes to the journal; use StandardOutput= in [Service]" },
        { C, "LogOpt",                true,  lost,                 CONTAINER, NULL, "output goes to the journal; see journald.conf(5), and SyslogIdentifier= in [Service]" },
        { C, "PodmanArgs",            true,  carry_arguments,      CONTAINER, NULL, NULL },
        { C, "GlobalArgs",            true,  carry_arguments,      CONTAINER, NULL, NULL },
        { C, "ContainersConfModule",  true,  lost,                 CONTAINER, NULL, NO_PODMAN },

        { P, "PodName",               false, nothing,              CONTAINER, NULL, NULL }, /* there is no pod to have a name */
        { P, "ServiceName",           false, nothing,              CONTAINER, NULL, NULL },
        { P, "HostName",              true,  pod_hostname,         CONTAINER, "Hostname", NULL },
        { P, "ShmSize",               false, shm_size,             CONTAINER, "ShmSize", NULL },
        { P, "AddHost",               true,  first_string,         CONTAINER, "AddHost", NULL },
        { P, "DNS",                   true,  first_string,         NETWORK, "DNS", "it would leave the pod without any" },
        { P, "IP",                    false, first_string,         NETWORK, "Address", NULL },
        { P, "IP6",                   false, first_string,         NETWORK, "Address", NULL },
        { P, "NetworkAlias",          true,  first_lost,           NETWORK, NULL, "a container is reached by its name, from those that have Link= to it" },
        { P, "Label",                 true,  first_lost,           CONTAINER, NULL, "there is no pod to have labels; use Label= of its containers" },
        { P, "ExitPolicy",            false, first_lost,           CONTAINER, NULL, "each container ends by itself; use BindsTo= in [Unit]" },
        { P, "StopTimeout",           false, first_lost,           CONTAINER, NULL, "each container has its own; use StopTimeout= of theirs" },
        { P, "PodmanArgs",            true,  first_arguments,      CONTAINER, NULL, NULL },
        { P, "GlobalArgs",            true,  first_arguments,      CONTAINER, NULL, NULL },
        { P, "ContainersConfModule",  true,  first_lost,           CONTAINER, NULL, NO_PODMAN },
};

/* .volume and .network have no manifest: what is lost of them is told, what is carried is in those who use them. */
static const struct {
        QuadletKind kind;
        const char *key, *lost;
} others[] = {
        { QUADLET_VOLUME, "VolumeName", NULL },
        { QUADLET_VOLUME, "ServiceName", NULL },
        { QUADLET_VOLUME, "Driver", NULL }, /* carry_other() */
        { QUADLET_VOLUME, "Image", NULL },
        { QUADLET_VOLUME, "Device", NULL },
        { QUADLET_VOLUME, "Type", NULL },
        { QUADLET_VOLUME, "Options", NULL },
        { QUADLET_VOLUME, "Copy", NULL },
        { QUADLET_VOLUME, "User", "a new volume takes the owner of its target in the image; or set one by IDMap= of its mount" },
        { QUADLET_VOLUME, "Group", "a new volume takes the group of its target in the image; or set one by IDMap= of its mount" },
        { QUADLET_VOLUME, "UID", "a new volume takes the owner of its target in the image; or set one by IDMap= of its mount" },
        { QUADLET_VOLUME, "GID", "a new volume takes the group of its target in the image; or set one by IDMap= of its mount" },
        { QUADLET_VOLUME, "Label", "volumes have no labels" },
        { QUADLET_VOLUME, "PodmanArgs", NO_PODMAN },
        { QUADLET_VOLUME, "GlobalArgs", NO_PODMAN },
        { QUADLET_VOLUME, "ContainersConfModule", NO_PODMAN },
        { QUADLET_NETWORK, "NetworkName", NULL },
        { QUADLET_NETWORK, "ServiceName", NULL },
        { QUADLET_NETWORK, "NetworkDeleteOnStop", NULL }, /* nothing stays behind */
        { QUADLET_NETWORK, "DNS", NULL },
        { QUADLET_NETWORK, "DisableDNS", NULL },          /* Berth has no resolver for names of containers */
        { QUADLET_NETWORK, "Internal", NULL },
        { QUADLET_NETWORK, "IPv6", NULL },
        { QUADLET_NETWORK, "Driver", NULL },
        { QUADLET_NETWORK, "Subnet", "Berth gives each container its own link; a fixed address is Address= in [Network]" },
        { QUADLET_NETWORK, "Gateway", "Berth gives each container its own link, whose other end is the host" },
        { QUADLET_NETWORK, "IPRange", "Berth gives each container its own link; a fixed address is Address= in [Network]" },
        { QUADLET_NETWORK, "IPAMDriver", "Berth chooses addresses by itself, or takes Address= in [Network]" },
        { QUADLET_NETWORK, "InterfaceName", "interfaces are called bt- and a number of the container's name" },
        { QUADLET_NETWORK, "Options", "there is no bridge to have options" },
        { QUADLET_NETWORK, "Label", "there is no network to have labels; use Label= of the containers" },
        { QUADLET_NETWORK, "PodmanArgs", NO_PODMAN },
        { QUADLET_NETWORK, "GlobalArgs", NO_PODMAN },
        { QUADLET_NETWORK, "ContainersConfModule", NO_PODMAN },
};
/* clang-format on */

const CarryRow *carry_row(unsigned group, const char *key) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if ((rows[i].groups & group) && streq(rows[i].key, key))
                        return &rows[i];
        return NULL;
}

bool carry_known(QuadletKind kind, const char *key, const char **ret_lost) {
        if (kind == QUADLET_CONTAINER || kind == QUADLET_POD)
                return carry_row(kind == QUADLET_POD ? CARRY_IN_POD : CARRY_IN_CONTAINER, key);
        for (size_t i = 0; i < ARRAY_LEN(others); i++)
                if (others[i].kind == kind && streq(others[i].key, key)) {
                        if (ret_lost)
                                *ret_lost = others[i].lost;
                        return true;
                }
        return false;
}
