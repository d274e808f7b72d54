/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/verbs.h"

#include "common/contract.h"
#include "common/manifest-options.h"

/* clang-format off */
const Option launch_options[] = {
        [LAUNCH_NAME]                = { "name", 0, "NAME", "The container's name" },
        [LAUNCH_IMAGE]               = { "image", 0, "IMAGE", "Image ID or absolute path" },
        [LAUNCH_PROFILE]             = { "profile", 0, "PROFILE", "minimal, standard or full, instead of an image" },
        [LAUNCH_READ_PATH]           = { "read-path", 0, "PATH", "With --profile, a path to read, repeatable" },
        [LAUNCH_WRITE_PATH]          = { "write-path", 0, "PATH", "With --profile, a path to write, repeatable" },
        [LAUNCH_ENTRYPOINT]          = { "entrypoint", 0, "WORD", "A word of Entrypoint=, repeatable; empty: none" },
        [LAUNCH_USER]                = { "user", 0, "USER", "User of the command" },
        [LAUNCH_GROUP]               = { "group", 0, "GROUP", "Group of the command" },
        [LAUNCH_SUPPLEMENTARY_GROUP] = { "supplementary-group", 0, "GROUP", "A further group, repeatable" },
        [LAUNCH_WORKING_DIRECTORY]   = { "working-directory", 0, "DIR", "Working directory of the command" },
        [LAUNCH_UMASK]               = { "umask", 0, "MODE", "File mode creation mask, octal" },
        [LAUNCH_ENV]                 = { "env", 0, "NAME=VALUE", "Environment variable, repeatable" },
        [LAUNCH_ENV_FILE]            = { "env-file", 0, "FILE", "File of environment variables, repeatable" },
        [LAUNCH_SECRET]              = { "secret", 0, "NAME[:env=VAR]", "A secret of the host, repeatable" },
        [LAUNCH_HOSTNAME]            = { "hostname", 0, "NAME", "Host name inside" },
        [LAUNCH_TIMEZONE]            = { "timezone", 0, "ZONE", "Time zone inside, or local" },
        [LAUNCH_INIT]                = { "init", 0, "BOOL", "Run the built-in init as PID 1" },
        [LAUNCH_NOTIFY]              = { "notify", 0, "WHEN", "When it is ready: yes, no or healthy" },
        [LAUNCH_KILL_SIGNAL]         = { "kill-signal", 0, "SIGNAL", "What asks the command to stop" },
        [LAUNCH_READ_ONLY]           = { "read-only", 0, "BOOL", "Read-only root" },
        [LAUNCH_EPHEMERAL]           = { "ephemeral", 0, "BOOL", "Forget changes of the root at the end" },
        [LAUNCH_PRIVATE_USERS]       = { "private-users", 0, "RANGE", "pick, identity, no or BASE:SIZE" },
        [LAUNCH_PID_NAMESPACE]       = { "pid-namespace", 0, "WHOSE", "private or host" },
        [LAUNCH_IPC_NAMESPACE]       = { "ipc-namespace", 0, "WHOSE", "private or host" },
        [LAUNCH_CAPABILITY]          = { "capability", 0, "CAP", "A capability to add, repeatable" },
        [LAUNCH_DROP_CAPABILITY]     = { "drop-capability", 0, "CAP", "A capability to drop, or all, repeatable" },
        [LAUNCH_AMBIENT_CAPABILITY]  = { "ambient-capability", 0, "CAP", "One that a command without root has too" },
        [LAUNCH_NO_NEW_PRIVILEGES]   = { "no-new-privileges", 0, "BOOL", "Set-uid programs give nothing" },
        [LAUNCH_SYSTEM_CALL_FILTER]  = { "system-call-filter", 0, "[~]CALL...", "System calls to allow or refuse, repeatable" },
        [LAUNCH_SECCOMP_PROFILE]     = { "seccomp-profile", 0, "FILE", "OCI seccomp profile" },
        [LAUNCH_APPARMOR_PROFILE]    = { "apparmor-profile", 0, "NAME", "AppArmor profile" },
        [LAUNCH_DEVICE]              = { "device", 0, "PATH ACCESS", "A device of the host, repeatable" },
        [LAUNCH_SYSCTL]              = { "sysctl", 0, "KEY=VALUE", "A sysctl of its own namespaces, repeatable" },
        [LAUNCH_SHM_SIZE]            = { "shm-size", 0, "BYTES", "Size of /dev/shm" },
        [LAUNCH_SHARED_RUN]          = { "shared-run", 0, "BOOL", "The host's /run" },
        [LAUNCH_MOUNT]               = { "mount", 0, "FIELDS", "A mount, repeatable" },
        [LAUNCH_READ_ONLY_PATH]      = { "read-only-path", 0, "[-]PATH", "A path inside to make read-only, repeatable" },
        [LAUNCH_INACCESSIBLE_PATH]   = { "inaccessible-path", 0, "[-]PATH", "A path inside to hide, repeatable" },
        [LAUNCH_RESOLV_CONF]         = { "resolv-conf", 0, "WHICH", "auto, off or copy-host" },
        [LAUNCH_ADD_HOST]            = { "add-host", 0, "NAME:ADDRESS", "A line of /etc/hosts, repeatable" },
        [LAUNCH_LABEL]               = { "label", 0, "KEY=VALUE", "A label, repeatable" },
        [LAUNCH_NETWORK]             = { "network", 0, "MODE", "none, host or private" },
        [LAUNCH_PUBLISH]             = { "publish", 0, "PORTS", "[ADDR:]HOST:CONTAINER[/PROTO], repeatable" },
        [LAUNCH_POLICY]              = { "policy", 0, "POLICY", "allow-all, deny-all or custom" },
        [LAUNCH_POLICY_DEFAULT]      = { "policy-default", 0, "VERDICT", "allow or deny what no list names" },
        [LAUNCH_ALLOW_DOMAIN]        = { "allow-domain", 0, "NAME", "NAME or *.NAME, repeatable" },
        [LAUNCH_ALLOW_CIDR]          = { "allow-cidr", 0, "CIDR", "A network to allow, repeatable" },
        [LAUNCH_DENY_CIDR]           = { "deny-cidr", 0, "CIDR", "A network to deny, repeatable" },
        [LAUNCH_ALLOW]               = { "allow", 0, "ADDR:PORT/PROTO", "A service to allow, repeatable" },
        [LAUNCH_PROTOCOL]            = { "protocol", 0, "PROTO", "tcp, udp or icmp, repeatable" },
        [LAUNCH_DNS]                 = { "dns", 0, "ADDR", "A resolver, repeatable" },
        [LAUNCH_LINK]                = { "link", 0, "OTHER[:PORT]", "Another container to reach, repeatable" },
        [LAUNCH_ALLOW_HOST]          = { "allow-host", 0, "PORT", "A port of the host to reach, repeatable" },
        [LAUNCH_BANDWIDTH]           = { "bandwidth", 0, "BITS", "Bits a second to receive" },
        [LAUNCH_BANDWIDTH_UP]        = { "bandwidth-up", 0, "BITS", "Bits a second to send" },
        [LAUNCH_ADDRESS]             = { "address", 0, "ADDR", "An address of its own, repeatable" },
        [LAUNCH_IPV6]                = { "ipv6", 0, "BOOL", "Whether it has IPv6" },
        [LAUNCH_SOCKETS]             = { "sockets", 0, "BOOL", "Hand on the sockets that systemd passes" },
        [LAUNCH_REQUIRE_CONTROLLER]  = { "require-controller", 0, "NAME", "Refuse to start without it, repeatable" },
        [LAUNCH_DISK]                = { "disk", 0, "BYTES", "What its root may hold" },
        [LAUNCH_HOOK_NETWORK_UP]     = { "hook-network-up", 0, "WORD", "A word of NetworkUp=, repeatable" },
        [LAUNCH_HOOK_NETWORK_DOWN]   = { "hook-network-down", 0, "WORD", "A word of NetworkDown=, repeatable" },
        [LAUNCH_HOOK_POLICY_CHANGED] = { "hook-policy-changed", 0, "WORD", "A word of PolicyChanged=, repeatable" },
        [LAUNCH_SETUP]               = { "setup", 0, "WORD", "First word of a command of [Setup], repeatable" },
        [LAUNCH_SETUP_WORD]          = { "setup-word", 0, "WORD", "A further word of it, repeatable" },
        [LAUNCH_SETUP_NETWORK]       = { "setup-network", 0, "BOOL", "Whether these have a network" },
        [LAUNCH_DRY_RUN]             = { "dry-run", 0, NULL, "Check everything and print the plan" },
        [LAUNCH_FOREGROUND]          = { "foreground", 0, NULL, "Wait for the end and return its exit status" },
        [_LAUNCH_MAX]                = {},
};

const Option cleanup_options[] = {
        [CLEANUP_NAME]       = { "name", 0, "NAME", "The container's name" },
        [CLEANUP_HOOK_ERROR] = { "hook-error", 0, "WORD", "A word of what to run if it has failed, repeatable" },
        [_CLEANUP_MAX]       = {},
};

const Option refuse_options[] = {
        [REFUSE_NAME] = { "name", 0, "NAME", "The container's name" },
        [_REFUSE_MAX] = {},
};

const Option dns_options[] = {
        [DNS_NAME]         = { "name", 0, "NAME", "The container's name" },
        [DNS_ALLOW_DOMAIN] = { "allow-domain", 0, "NAME", "NAME or *.NAME that it may ask for, repeatable" },
        [DNS_DNS]          = { "dns", 0, "ADDR", "A resolver to ask, repeatable" },
        [_DNS_MAX]         = {},
};

const Option proxy_options[] = {
        [PROXY_NAME] = { "name", 0, "NAME", "The container's name" },
        [PROXY_TO]   = { "to", 0, "PORT", "The port inside" },
        [_PROXY_MAX] = {},
};

const Option health_options[] = {
        [HEALTH_NAME]         = { "name", 0, "NAME", "The container's name" },
        [HEALTH_INTERVAL]     = { "interval", 0, "TIME", "No check sooner than this after the start" },
        [HEALTH_TIMEOUT]      = { "timeout", 0, "TIME", "End the command after this time" },
        [HEALTH_RETRIES]      = { "retries", 0, "N", "Failures in a row that make it unhealthy" },
        [HEALTH_START_PERIOD] = { "start-period", 0, "TIME", "Failures do not count until this long after the start" },
        [HEALTH_NOTIFY]       = { "notify", 0, "BOOL", "Whether the first success is when systemd takes it for started" },
        [HEALTH_ON_FAILURE]   = { "on-failure", 0, "ACTION", "What to do when it is: none, restart or stop" },
        [_HEALTH_MAX]         = {},
};

const Option reload_options[] = {
        [SIGNAL_NAME]   = { "name", 0, "NAME", "The container's name" },
        [SIGNAL_SIGNAL] = { "signal", 0, "SIGNAL", "What is sent to its leader" },
        [_SIGNAL_MAX]   = {},
};

const Option unheard_options[] = {
        [SIGNAL_NAME]   = { "name", 0, "NAME", "The container's name" },
        [SIGNAL_SIGNAL] = { "signal", 0, "SIGNAL", "What its leader is about to be sent" },
        [_SIGNAL_MAX]   = {},
};

#define EXEC_COMMON \
        [EXEC_USER]     = { "user", 'u', "USER", "Name in the container's passwd, or number; USER:GROUP too" }, \
        [EXEC_WORKDIR]  = { "workdir", 'w', "DIR", "Working directory inside" }, \
        [EXEC_ENV]      = { "env", 'e', "NAME[=VALUE]", "Environment variable; NAME alone: the caller's value" }, \
        [EXEC_ENV_FILE] = { "env-file", 0, "FILE", "File of NAME=VALUE lines" }, \
        [EXEC_TTY_SIZE] = { "tty-size", 0, "ROWSxCOLS", "Size of the terminal; default: the caller's" }, \
        [EXEC_TIMEOUT]  = { "timeout", 0, "TIME", "End it and all it started after this time, exit 124" }, \
        [EXEC_CAP_ADD]  = { "cap-add", 0, "CAP", "Give the user this capability of the container as well, repeatable" }

const Option exec_options[] = {
        EXEC_COMMON,
        [EXEC_TTY]        = { "tty", 't', NULL, "With a terminal, even if stdin or stdout is none" },
        [EXEC_NO_TTY]     = { "no-tty", 'T', NULL, "Without a terminal" },
        [EXEC_INPUT]      = { "input", 0, "FILE", "A file of the host as standard input, or -" },
        [EXEC_JSON]       = { "json", 0, "[=stream]", "Tell how it went as a JSON object; with =stream its output before" },
        [EXEC_MAX_OUTPUT] = { "max-output", 0, "BYTES", "With --json, what is kept of each stream; default: 256K" },
        [EXEC_DETACH]     = { "detach", 0, NULL, "Do not wait for it; prints the name of a job, see berth job" },
        [EXEC_SESSION]    = { "session", 0, "ID", "Go on, in a shell, where the last call with that ID ended" },
        [EXEC_SCOPE]      = { "scope", 0, NULL, "In a scope of systemd, beside the container's unit" },
        [EXEC_PROPERTY]   = { "property", 'p', "PROPERTY=VALUE", "With --scope, a limit as systemd names it, repeatable" },
        [_EXEC_MAX]       = {},
};

const Option shell_options[] = {
        EXEC_COMMON,
        [EXEC_CAP_ADD + 1] = {},
};

const Option run_options[] = {
        [RUN_NAME]       = { "name", 0, "NAME", "What the container is called; default: run- and a number" },
        [RUN_IMAGE]      = { "image", 0, "IMAGE", "Image ID or absolute path, instead of a manifest" },
        [RUN_PROFILE]    = { "profile", 0, "PROFILE", "minimal, standard or full, instead of an image" },
        [RUN_MEMORY]     = { "memory", 0, "BYTES", "Memory= of [Limits]" },
        [RUN_CPUS]       = { "cpus", 0, "N", "CPUs= of [Limits]" },
        [RUN_TASKS]      = { "tasks", 0, "N", "Tasks= of [Limits]" },
        [RUN_NETWORK]    = { "network", 0, "MODE", "Mode= of [Network]" },
        [RUN_PUBLISH]    = { "publish", 'p', "PORTS", "Publish= of [Network], repeatable" },
        [RUN_VOLUME]     = { "volume", 'v', "VOLUME:TARGET[:ro]", "A volume, repeatable" },
        [RUN_BIND]       = { "bind", 0, "PATH:TARGET[:ro]", "A file or directory of the host, repeatable" },
        [RUN_READ_ONLY]  = { "read-only", 0, NULL, "Read-only root" },
        [RUN_CAPABILITY] = { "capability", 0, "CAP", "A capability to add, repeatable" },
        [RUN_SET]        = { "set", 0, "[SECTION.]KEY=VALUE", "Any other key of a manifest, repeatable" },
        [RUN_DETACH]     = { "detach", 'd', NULL, "Do not wait for the command; prints the container's name" },
        [RUN_REPLACE]    = { "replace", 0, NULL, "Stop one of the same name first" },
        [RUN_USER]       = { "user", 'u', "USER", "Name in the container's passwd, or number; USER:GROUP too" },
        [RUN_WORKDIR]    = { "workdir", 'w', "DIR", "Working directory inside" },
        [RUN_ENV]        = { "env", 'e', "NAME[=VALUE]", "Environment variable; NAME alone: the caller's value" },
        [RUN_ENV_FILE]   = { "env-file", 0, "FILE", "File of NAME=VALUE lines" },
        [RUN_TIMEOUT]    = { "timeout", 0, "TIME", "End it after this time, exit 124; with --detach the container" },
        [RUN_TTY]        = { "tty", 't', NULL, "With a terminal, even if stdin or stdout is none" },
        [RUN_NO_TTY]     = { "no-tty", 'T', NULL, "Without a terminal" },
        [RUN_TTY_SIZE]   = { "tty-size", 0, "ROWSxCOLS", "Size of the terminal; default: the caller's" },
        [RUN_INPUT]      = { "input", 0, "FILE", "A file of the host as standard input, or -" },
        [RUN_JSON]       = { "json", 0, "[=stream]", "Tell how it went as a JSON object; with =stream its output before" },
        [RUN_MAX_OUTPUT] = { "max-output", 0, "BYTES", "With --json, what is kept of each stream; default: 256K" },
        [_RUN_MAX]       = {},
};

const Option scope_start_options[] = {
        [SCOPE_START_NAME]     = { "name", 0, "NAME", "The container's name" },
        [SCOPE_START_UNIT]     = { "unit", 0, "UNIT", "What the scope is called" },
        [SCOPE_START_PID]      = { "pid", 0, "PID", "The process that it begins with" },
        [SCOPE_START_PROPERTY] = { "property", 'p', "PROPERTY=VALUE", "A limit as systemd names it, repeatable" },
        [_SCOPE_START_MAX]     = {},
};

const Option job_start_options[] = {
        [JOB_START_NAME] = { "name", 0, "NAME", "The container's name" },
        [JOB_START_ID]   = { "id", 0, "ID", "What tells its jobs apart" },
        [_JOB_START_MAX] = {},
};

const Option list_options[] = {
        [LIST_ALL]       = { "all", 'a', NULL, "Those that do not run, too" },
        [LIST_FILTER]    = { "filter", 0, "KEY=VALUE", "By state, health, image or label; repeatable, all must hold" },
        [LIST_JSON]      = { "json", 0, NULL, "As JSON" },
        [LIST_NO_LEGEND] = { "no-legend", 0, NULL, "Without the heading" },
        [_LIST_MAX]      = {},
};

const Option status_options[] = {
        [STATUS_JSON] = { "json", 0, NULL, "As JSON" },
        [_STATUS_MAX] = {},
};

const Option inspect_options[] = {
        [INSPECT_JSON] = { "json", 0, NULL, "As JSON" },
        [_INSPECT_MAX] = {},
};

const Option stats_options[] = {
        [STATS_WATCH]     = { "watch", 0, NULL, "Again every two seconds, with the processor's share in percent" },
        [STATS_JSON]      = { "json", 0, NULL, "As JSON; with --watch a line each time" },
        [STATS_NO_LEGEND] = { "no-legend", 0, NULL, "Without the heading" },
        [_STATS_MAX]      = {},
};

const Option top_options[] = {
        [TOP_JSON]      = { "json", 0, NULL, "As JSON" },
        [TOP_NO_LEGEND] = { "no-legend", 0, NULL, "Without the heading" },
        [_TOP_MAX]      = {},
};

const Option logs_options[] = {
        [LOGS_LINES]      = { "lines", 'n', "N", "The newest N, or all; with --follow 10 without this" },
        [LOGS_FOLLOW]     = { "follow", 'f', NULL, "Go on with what comes" },
        [LOGS_SINCE]      = { "since", 'S', "TIME", "From that time on, like '5min ago' or yesterday" },
        [LOGS_INVOCATION] = { "invocation", 'I', NULL, "Only of the latest start" },
        [LOGS_JSON]       = { "json", 0, NULL, "As JSON, an object a line" },
        [_LOGS_MAX]       = {},
};

const Option kill_options[] = {
        [KILL_SIGNAL] = { "signal", 's', "SIGNAL", "Which one; default: TERM" },
        [KILL_JSON]   = { "json", 0, NULL, "As JSON" },
        [_KILL_MAX]   = {},
};

const Option freeze_options[] = {
        [FREEZE_JSON] = { "json", 0, NULL, "As JSON" },
        [_FREEZE_MAX] = {},
};

const Option doctor_options[] = {
        [DOCTOR_JSON]      = { "json", 0, NULL, "As JSON" },
        [DOCTOR_NO_LEGEND] = { "no-legend", 0, NULL, "Without the heading" },
        [_DOCTOR_MAX]      = {},
};

const Option clean_options[] = {
        [CLEAN_ALL]  = { "all", 0, NULL, "What is less than a minute old as well" },
        [CLEAN_JSON] = { "json", 0, NULL, "As JSON" },
        [_CLEAN_MAX] = {},
};

const Option commit_options[] = {
        [COMMIT_JSON]  = { "json", 0, NULL, "As JSON" },
        [COMMIT_FORCE] = { "force", 0, NULL, "Replace what no import made" },
        [_COMMIT_MAX]  = {},
};

const Option remove_options[] = {
        [REMOVE_FORCE] = { "force", 0, NULL, "Stop it first" },
        [REMOVE_LAYER] = { "layer", 0, NULL, "Its kept layer as well" },
        [REMOVE_ALL]   = { "all", 0, NULL, "Its kept layer, snapshots and volumes as well" },
        [REMOVE_JSON]  = { "json", 0, NULL, "As JSON" },
        [_REMOVE_MAX]  = {},
};

const Option mount_options[] = {
        [MOUNT_OPTION_TYPE]      = { "type", 0, "TYPE", "bind, volume, pointer, assets, backup or tmpfs" },
        [MOUNT_OPTION_SUBPATH]   = { "subpath", 0, "PATH", "What is below the source, instead of all of it" },
        [MOUNT_OPTION_READ_ONLY] = { "read-only", 0, NULL, "The container may not write there" },
        [MOUNT_OPTION_FILE_TYPE] = { "file-type", 0, "TYPE", "What the source is: file, directory or infer" },
        [MOUNT_OPTION_IDMAP]     = { "idmap", 0, "RANGE", "HOST:CONTAINER:RANGE or auto, repeatable" },
        [MOUNT_OPTION_RECURSIVE] = { "recursive", 0, NULL, "With what is mounted below a bound directory" },
        [MOUNT_OPTION_CREATE]    = { "create", 0, NULL, "Make the source of a bind where it is missing" },
        [MOUNT_OPTION_OPTIONS]   = { "options", 0, "OPTIONS", "Of a tmpfs: size=, mode= and others" },
        [MOUNT_OPTION_JSON]      = { "json", 0, NULL, "As JSON" },
        [_MOUNT_OPTION_MAX]      = {},
};

const Option umount_options[] = {
        [UMOUNT_JSON] = { "json", 0, NULL, "As JSON" },
        [_UMOUNT_MAX] = {},
};

const Option cp_options[] = {
        [CP_OWNER]    = { "owner", 0, "UID[:GID]", "Who owns what arrives; default: the same numbers" },
        [CP_MAX_SIZE] = { "max-size", 0, "BYTES", "Refuse to copy more; default: 64G" },
        [CP_TOP]      = { "top", 0, "NAME", "Of a stream, what in it is the source; default: all of it" },
        [CP_JSON]     = { "json", 0, NULL, "As JSON" },
        [_CP_MAX]     = {},
};

#define MANIFEST_ROW(name, argument, help) { name, 0, argument, help },

static const Option check_options[] = { MANIFEST_OPTIONS_CHECK(MANIFEST_ROW) {} };
static const Option preview_options[] = { MANIFEST_OPTIONS_PREVIEW(MANIFEST_ROW) {} };
static const Option diff_options[] = { MANIFEST_OPTIONS_DIFF(MANIFEST_ROW) {} };
static const Option convert_options[] = { MANIFEST_OPTIONS_CONVERT(MANIFEST_ROW) {} };
static const Option enable_options[] = { MANIFEST_OPTIONS_ENABLE(MANIFEST_ROW) {} };

const Verb verbs[] = {
        { "exec", "NAME [OPTION...] [--] COMMAND [WORD...]", "Run a command in a running container",
          VERB_BERTH, .container = true, .options = exec_options },
        { "shell", "NAME [OPTION...]", "Open a login shell in a running container",
          VERB_BERTH, .container = true, .options = shell_options },
        { "run", "[MANIFEST] [OPTION...] [--] [COMMAND [WORD...]]", "Run a command in a container made for it",
          VERB_MANAGE, .container = true, .options = run_options },
        { "session", "VERB [ARGUMENT...]", "What exec --session keeps",
          VERB_MANAGE, .options = session_options, .subverbs = session_subverbs },
        { "env", "VERB [ARGUMENT...]", "Variables for later execs in a container",
          VERB_MANAGE, .options = env_options, .subverbs = env_subverbs },
        { "job", "VERB [ARGUMENT...]", "Commands that exec --detach has started",
          VERB_MANAGE, .options = job_options, .subverbs = job_subverbs },
        { "list", "[OPTION...]", "List running containers", VERB_MANAGE, .options = list_options },
        { "status", "NAME [OPTION...]", "Show a container", VERB_MANAGE, .options = status_options },
        { "inspect", "NAME [OPTION...]", "Show all of a container, and what it can do", VERB_MANAGE, .options = inspect_options },
        { "stats", "[OPTION...] [NAME...]", "Show what containers use", VERB_MANAGE, .options = stats_options },
        { "top", "NAME [OPTION...]", "List the processes of a container", VERB_MANAGE, .options = top_options },
        { "kill", "NAME [PID] [OPTION...]", "Send a signal to the leader of a container, or to one of its processes",
          VERB_MANAGE, .options = kill_options },
        { "logs", "NAME [OPTION...]", "Show what the journal has of a container", VERB_MANAGE, .options = logs_options },
        { "freeze", "NAME [OPTION...]", "Hold all processes of a container", VERB_MANAGE, .options = freeze_options },
        { "thaw", "NAME [OPTION...]", "Let the processes of a container go on", VERB_MANAGE, .options = freeze_options },
        { "doctor", "[OPTION...]", "Tell what this host can do, what it lacks, and what helps", VERB_MANAGE, .options = doctor_options },
        { "clean", "[OPTION...]", "Remove what no running container owns", VERB_MANAGE, .options = clean_options },
        { "remove", "NAME [OPTION...]", "Remove what a container has left", VERB_MANAGE, .options = remove_options },
        { "cp", "[NAME:]SOURCE [NAME:]TARGET", "Copy files and trees into and out of a container",
          VERB_FILES, .options = cp_options },
        { "volume", "VERB [ARGUMENT...]", "List, create, remove, back up and restore volumes", VERB_STORAGE,
          .options = volume_options, .subverbs = volume_subverbs },
        { "mount", "NAME [SOURCE] TARGET [OPTION...]", "Mount something into a running container", VERB_FILES,
          .options = mount_options },
        { "umount", "NAME TARGET|ID [OPTION...]", "Undo a mount", VERB_FILES, .options = umount_options },
        { "file", "VERB NAME [ARGUMENT...]", "Read, edit, search, list, copy and move files of a container",
          VERB_FILES, .options = file_options, .subverbs = file_subverbs },
        { "snapshot", "VERB [ARGUMENT...]", "Create, list, restore and remove snapshots of kept layers",
          VERB_STORAGE, .options = snapshot_options, .subverbs = snapshot_subverbs },
        { "commit", "NAME ID [OPTION...]", "Make an image of what a container keeps", VERB_STORAGE, .options = commit_options },
        { "image", "VERB [ARGUMENT...]", "Import, list, inspect, verify, remove and prune images",
          VERB_STORAGE, .options = image_options, .subverbs = image_subverbs },
        { "check", "[OPTION...] [NAME|FILE...]", "Check manifests", VERB_MANIFEST, .options = check_options },
        { "preview", "[OPTION...] [NAME|FILE...]", "Show the units of a manifest", VERB_MANIFEST, .options = preview_options },
        { "diff", "[OPTION...] [NAME...]", "Compare running containers with their manifests", VERB_MANIFEST, .options = diff_options },
        { "convert", "[OPTION...] FILE...|DIR", "Make manifests of .container and other files", VERB_MANIFEST, .options = convert_options },
        { "enable", "[OPTION...] NAME...", "Start with the system", VERB_MANIFEST, .options = enable_options },
        { "disable", "[OPTION...] NAME...", "Do not start with the system", VERB_MANIFEST, .options = enable_options },
        { "launch", "--name=NAME --image=IMAGE [OPTION...] [-- WORD...]", "Assemble a container and start its leader",
          VERB_BERTH, .internal = true, .container = true, .options = launch_options },
        { "refuse", "--name=NAME -- MESSAGE...", "Fail with the errors of a manifest",
          VERB_BERTH, .internal = true, .container = true, .options = refuse_options },
        { "reload", "--name=NAME --signal=SIGNAL", "Send the leader the signal to reload",
          VERB_BERTH, .internal = true, .options = reload_options },
        { "unheard", "--name=NAME --signal=SIGNAL", "End a leader that a signal would not reach",
          VERB_BERTH, .internal = true, .options = unheard_options },
        { "cleanup", "--name=NAME [--hook-error=WORD...]", "Release what lives outside of the leader",
          VERB_BERTH, .internal = true, .options = cleanup_options },
        { "job-start", "--name=NAME --id=ID -- COMMAND [WORD...]", "Start a job: what exec --detach executes",
          VERB_MANAGE, .internal = true, .container = true, .options = job_start_options },
        { "run-end", "NAME PID", "Remove what a berth run leaves, when it has ended", VERB_MANAGE, .internal = true },
        { "scope-start", "--name=NAME --unit=UNIT --pid=PID [OPTION...] -- COMMAND [WORD...]",
          "Start a scope: what exec --scope executes",
          VERB_MANAGE, .internal = true, .container = true, .options = scope_start_options },
        { "health", "--name=NAME [OPTION...] -- COMMAND [WORD...]", "Check the health of a container once",
          VERB_MANAGE, .internal = true, .options = health_options },
        { "dns", "--name=NAME [OPTION...]", "Answer a container's questions for allowed domains",
          VERB_MANAGE, .internal = true, .options = dns_options },
        { "proxy", "--name=NAME --to=PORT", "Forward the sockets that systemd passes into a container",
          VERB_MANAGE, .internal = true, .options = proxy_options },
        { "machine-register", "NAME", "Enter a running container into systemd-machined", VERB_MANAGE, .internal = true },
        { "machine-unregister", "NAME", "Remove a container from systemd-machined", VERB_MANAGE, .internal = true },
        {},
};
/* clang-format on */

const Verb *verb_find(const char *name) {
        for (const Verb *verb = verbs; verb->name; verb++)
                if (streq(verb->name, name))
                        return verb;
        return NULL;
}

int verb_usage_status(const Verb *verb) {
        return verb->container ? EXIT_BERTH : EXIT_USAGE;
}

int verb_help(const char *name) {
        const Verb *verb = verb_find(name);

        assert(verb);
        printf("berth %s %s\n\n%s.\n\n", verb->name, verb->synopsis, verb->help);
        options_print(stdout, verb->options);
        return 0;
}

static void dump_option(const char *verb, const char *program, const Option *o) {
        printf("%s\t%s\t--%s\t%c\t%s\n", verb, program, o->name, o->letter ? o->letter : '-',
               o->argument ? o->argument : "");
}

int verbs_dump(void) {
        static const char *const programs[] = { [VERB_BERTH] = "berth",
                                                [VERB_MANAGE] = "berth-manage",
                                                [VERB_MANIFEST] = "berth-manifest",
                                                [VERB_FILES] = "berth-files",
                                                [VERB_STORAGE] = "berth-storage" };

        for (const Verb *verb = verbs; verb->name; verb++) {
                printf("%s\t%s\t%s\n", verb->name, programs[verb->program],
                       verb->internal ? "internal" : "");
                for (const Option *o = verb->options; o && o->name && !verb->subverbs; o++)
                        dump_option(verb->name, programs[verb->program], o);
                for (const Subverb *s = verb->subverbs; s && s->name; s++) {
                        char name[64];

                        snprintf(name, sizeof(name), "%s %s", verb->name, s->name);
                        printf("%s\t%s\t\n", name, programs[verb->program]);
                        for (size_t i = 0; verb->options && verb->options[i].name; i++)
                                if (s->options & SUBVERB_OPTION(i))
                                        dump_option(name, programs[verb->program], &verb->options[i]);
                }
        }
        return 0;
}
