/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/verbs/options.h"

/* Every verb of the command and every option of it, as rows: dispatch, parsing, --help, completion and the check
 * of the man page read them and nothing else. Data only; which function a verb is stands in main.c and manage.c. */

typedef enum VerbProgram {
        VERB_BERTH,    /* the command itself */
        VERB_MANAGE,   /* libexecdir/berth-manage, which may load libraries */
        VERB_MANIFEST, /* libexecdir/berth-manifest, which knows manifests; its options are its own */
        VERB_FILES,    /* libexecdir/berth-files, which reaches into containers */
        VERB_STORAGE,  /* libexecdir/berth-storage, which has images, volumes and snapshots */
} VerbProgram;

/* "import" of "berth image import SOURCE". */
typedef struct Subverb {
        const char *name;
        const char *operands; /* "NAME [TAG]": what is in brackets may be left out; "FILE..." repeats */
        const char *help;
        uint64_t options; /* of the verb's, those that it takes: SUBVERB_OPTION() of their indices */
        bool command;     /* the words of a command follow */
} Subverb;

#define SUBVERB_OPTION(index) (UINT64_C(1) << (index))
#define SUBVERB_OPTIONS_MAX   64

typedef struct Verb {
        const char *name;
        const char *synopsis;
        const char *help;
        VerbProgram program;
        bool internal;  /* what units and our own programs call: not in --help */
        bool container; /* exits as exec does (125 for wrong usage), not as other verbs (2) */
        const Option *options;
        const Subverb *subverbs; /* ends at a row without a name; the first word is one of them. NULL: it has none */
} Verb;

extern const Verb verbs[]; /* ends at a row without a name */

const Verb *verb_find(const char *name);

/* What a verb exits with on wrong usage. */
int verb_usage_status(const Verb *verb);

/* Prints "berth VERB SYNOPSIS", what it does and its options to standard output. Returns 0. */
int verb_help(const char *name);

/* One line of tab-separated fields for each verb ("image", "image import") and each of its options: verb, program,
 * option, letter, value. */
int verbs_dump(void);

/* The functions: argv[0] is the verb; the return value is the program's exit status. Each in the file of its name. */
int verb_launch(int argc, char *argv[]);
int verb_cleanup(int argc, char *argv[]);
int verb_refuse(int argc, char *argv[]);
int verb_reload(int argc, char *argv[]);
int verb_unheard(int argc, char *argv[]);
int verb_exec(int argc, char *argv[]);
int verb_shell(int argc, char *argv[]);
int verb_list(int argc, char *argv[]);
int verb_status(int argc, char *argv[]);
int verb_inspect(int argc, char *argv[]);
int verb_stats(int argc, char *argv[]);
int verb_top(int argc, char *argv[]);
int verb_kill(int argc, char *argv[]);
int verb_logs(int argc, char *argv[]);
int verb_freeze(int argc, char *argv[]);
int verb_thaw(int argc, char *argv[]);
int verb_doctor(int argc, char *argv[]);
int verb_clean(int argc, char *argv[]);
int verb_remove(int argc, char *argv[]);
int verb_run(int argc, char *argv[]);
int verb_env(int argc, char *argv[]);
int verb_session(int argc, char *argv[]);
int verb_job(int argc, char *argv[]);
int verb_job_start(int argc, char *argv[]);
int verb_run_end(int argc, char *argv[]);
int verb_scope_start(int argc, char *argv[]);
int verb_dns(int argc, char *argv[]);
int verb_proxy(int argc, char *argv[]);
int verb_health(int argc, char *argv[]);
int verb_cp(int argc, char *argv[]);
int verb_mount(int argc, char *argv[]);
int verb_umount(int argc, char *argv[]);
int verb_file(int argc, char *argv[]);
int verb_machine_register(int argc, char *argv[]);
int verb_machine_unregister(int argc, char *argv[]);

/* Indices into the tables, as options_next() and the functions of subverbs.h take them. The tables of a verb that has
 * sub-verbs stand in verbs-VERB.c. */
typedef enum LaunchOption { /* common/contract.h says what each means */
                            LAUNCH_NAME,
                            LAUNCH_IMAGE,
                            LAUNCH_PROFILE,
                            LAUNCH_READ_PATH,
                            LAUNCH_WRITE_PATH,
                            LAUNCH_ENTRYPOINT,
                            LAUNCH_USER,
                            LAUNCH_GROUP,
                            LAUNCH_SUPPLEMENTARY_GROUP,
                            LAUNCH_WORKING_DIRECTORY,
                            LAUNCH_UMASK,
                            LAUNCH_ENV,
                            LAUNCH_ENV_FILE,
                            LAUNCH_SECRET,
                            LAUNCH_HOSTNAME,
                            LAUNCH_TIMEZONE,
                            LAUNCH_INIT,
                            LAUNCH_NOTIFY,
                            LAUNCH_KILL_SIGNAL,
                            LAUNCH_READ_ONLY,
                            LAUNCH_EPHEMERAL,
                            LAUNCH_PRIVATE_USERS,
                            LAUNCH_PID_NAMESPACE,
                            LAUNCH_IPC_NAMESPACE,
                            LAUNCH_CAPABILITY,
                            LAUNCH_DROP_CAPABILITY,
                            LAUNCH_AMBIENT_CAPABILITY,
                            LAUNCH_NO_NEW_PRIVILEGES,
                            LAUNCH_SYSTEM_CALL_FILTER,
                            LAUNCH_SECCOMP_PROFILE,
                            LAUNCH_APPARMOR_PROFILE,
                            LAUNCH_DEVICE,
                            LAUNCH_SYSCTL,
                            LAUNCH_SHM_SIZE,
                            LAUNCH_SHARED_RUN,
                            LAUNCH_MOUNT,
                            LAUNCH_READ_ONLY_PATH,
                            LAUNCH_INACCESSIBLE_PATH,
                            LAUNCH_RESOLV_CONF,
                            LAUNCH_ADD_HOST,
                            LAUNCH_LABEL,
                            LAUNCH_NETWORK,
                            LAUNCH_PUBLISH,
                            LAUNCH_POLICY,
                            LAUNCH_POLICY_DEFAULT,
                            LAUNCH_ALLOW_DOMAIN,
                            LAUNCH_ALLOW_CIDR,
                            LAUNCH_DENY_CIDR,
                            LAUNCH_ALLOW,
                            LAUNCH_PROTOCOL,
                            LAUNCH_DNS,
                            LAUNCH_LINK,
                            LAUNCH_ALLOW_HOST,
                            LAUNCH_BANDWIDTH,
                            LAUNCH_BANDWIDTH_UP,
                            LAUNCH_ADDRESS,
                            LAUNCH_IPV6,
                            LAUNCH_SOCKETS,
                            LAUNCH_REQUIRE_CONTROLLER,
                            LAUNCH_DISK,
                            LAUNCH_HOOK_NETWORK_UP,
                            LAUNCH_HOOK_NETWORK_DOWN,
                            LAUNCH_HOOK_POLICY_CHANGED,
                            LAUNCH_SETUP,
                            LAUNCH_SETUP_WORD,
                            LAUNCH_SETUP_NETWORK,
                            LAUNCH_DRY_RUN,
                            LAUNCH_FOREGROUND,
                            _LAUNCH_MAX,
} LaunchOption;
extern const Option launch_options[];

typedef enum CleanupOption { CLEANUP_NAME, CLEANUP_HOOK_ERROR, _CLEANUP_MAX } CleanupOption;
extern const Option cleanup_options[];

typedef enum RefuseOption { REFUSE_NAME, _REFUSE_MAX } RefuseOption;
extern const Option refuse_options[];

typedef enum SignalOption { SIGNAL_NAME, SIGNAL_SIGNAL, _SIGNAL_MAX } SignalOption;
extern const Option reload_options[], unheard_options[];

typedef enum ExecOption {
        EXEC_USER,
        EXEC_WORKDIR,
        EXEC_ENV,
        EXEC_ENV_FILE,
        EXEC_TTY_SIZE,
        EXEC_TIMEOUT,
        EXEC_CAP_ADD,
        EXEC_TTY, /* from here on exec alone */
        EXEC_NO_TTY,
        EXEC_INPUT,
        EXEC_JSON,
        EXEC_MAX_OUTPUT,
        EXEC_DETACH,
        EXEC_SESSION,
        EXEC_SCOPE,
        EXEC_PROPERTY,
        _EXEC_MAX,
} ExecOption;
extern const Option exec_options[], shell_options[];

typedef enum RunOption {
        RUN_NAME, /* what a manifest would say */
        RUN_IMAGE,
        RUN_PROFILE,
        RUN_MEMORY,
        RUN_CPUS,
        RUN_TASKS,
        RUN_NETWORK,
        RUN_PUBLISH,
        RUN_VOLUME,
        RUN_BIND,
        RUN_READ_ONLY,
        RUN_CAPABILITY,
        RUN_SET,
        RUN_DETACH,
        RUN_REPLACE,
        RUN_USER, /* from here on as of exec */
        RUN_WORKDIR,
        RUN_ENV,
        RUN_ENV_FILE,
        RUN_TIMEOUT,
        RUN_TTY,
        RUN_NO_TTY,
        RUN_TTY_SIZE,
        RUN_INPUT,
        RUN_JSON,
        RUN_MAX_OUTPUT,
        _RUN_MAX,
} RunOption;
extern const Option run_options[];

typedef enum JobStartOption { JOB_START_NAME, JOB_START_ID, _JOB_START_MAX } JobStartOption;
extern const Option job_start_options[];

typedef enum ScopeStartOption {
        SCOPE_START_NAME,
        SCOPE_START_UNIT,
        SCOPE_START_PID,
        SCOPE_START_PROPERTY,
        _SCOPE_START_MAX,
} ScopeStartOption;
extern const Option scope_start_options[];

typedef enum SessionOption { SESSION_JSON, SESSION_NO_LEGEND, _SESSION_MAX } SessionOption;
extern const Option session_options[];
extern const Subverb session_subverbs[];

typedef enum EnvOption { ENV_JSON, _ENV_MAX } EnvOption;
extern const Option env_options[];
extern const Subverb env_subverbs[];

typedef enum JobOption { JOB_SINCE_CURSOR, JOB_JSON, JOB_NO_LEGEND, _JOB_MAX } JobOption;
extern const Option job_options[];
extern const Subverb job_subverbs[];

typedef enum HealthOption {
        HEALTH_NAME,
        HEALTH_INTERVAL,
        HEALTH_TIMEOUT,
        HEALTH_RETRIES,
        HEALTH_START_PERIOD,
        HEALTH_NOTIFY,
        HEALTH_ON_FAILURE,
        _HEALTH_MAX,
} HealthOption;
extern const Option health_options[];

typedef enum DnsOption { DNS_NAME, DNS_ALLOW_DOMAIN, DNS_DNS, _DNS_MAX } DnsOption;
extern const Option dns_options[];

typedef enum ProxyOption { PROXY_NAME, PROXY_TO, _PROXY_MAX } ProxyOption;
extern const Option proxy_options[];

typedef enum ListOption { LIST_ALL, LIST_FILTER, LIST_JSON, LIST_NO_LEGEND, _LIST_MAX } ListOption;
extern const Option list_options[];

typedef enum StatusOption { STATUS_JSON, _STATUS_MAX } StatusOption;
extern const Option status_options[];

typedef enum InspectOption { INSPECT_JSON, _INSPECT_MAX } InspectOption;
extern const Option inspect_options[];

typedef enum StatsOption { STATS_WATCH, STATS_JSON, STATS_NO_LEGEND, _STATS_MAX } StatsOption;
extern const Option stats_options[];

typedef enum TopOption { TOP_JSON, TOP_NO_LEGEND, _TOP_MAX } TopOption;
extern const Option top_options[];

typedef enum LogsOption {
        LOGS_LINES,
        LOGS_FOLLOW,
        LOGS_SINCE,
        LOGS_INVOCATION,
        LOGS_JSON,
        _LOGS_MAX,
} LogsOption;
extern const Option logs_options[];

typedef enum KillOption { KILL_SIGNAL, KILL_JSON, _KILL_MAX } KillOption;
extern const Option kill_options[];

typedef enum FreezeOption { FREEZE_JSON, _FREEZE_MAX } FreezeOption; /* of thaw, too */
extern const Option freeze_options[];

typedef enum DoctorOption { DOCTOR_JSON, DOCTOR_NO_LEGEND, _DOCTOR_MAX } DoctorOption;
extern const Option doctor_options[];

typedef enum CleanOption { CLEAN_ALL, CLEAN_JSON, _CLEAN_MAX } CleanOption;
extern const Option clean_options[];

typedef enum RemoveOption { REMOVE_FORCE, REMOVE_LAYER, REMOVE_ALL, REMOVE_JSON, _REMOVE_MAX } RemoveOption;
extern const Option remove_options[];

typedef enum CommitOption { COMMIT_JSON, COMMIT_FORCE, _COMMIT_MAX } CommitOption;
extern const Option commit_options[];

typedef enum SnapshotOption {
        SNAPSHOT_JSON,
        SNAPSHOT_NO_LEGEND,
        SNAPSHOT_ALL,
        _SNAPSHOT_MAX
} SnapshotOption;
extern const Option snapshot_options[];
extern const Subverb snapshot_subverbs[];

typedef enum ImageOption { /* not every verb of image takes all of them */
                           IMAGE_NAME,
                           IMAGE_TAG,
                           IMAGE_FORCE,
                           IMAGE_MAX_SIZE,
                           IMAGE_MAX_ENTRIES,
                           IMAGE_JSON,
                           IMAGE_NO_LEGEND,
                           IMAGE_ALL,
                           _IMAGE_MAX,
} ImageOption;
extern const Option image_options[];
extern const Subverb image_subverbs[];

typedef enum VolumeOption { /* not every verb of volume takes all of them */
                            VOLUME_OWNER,
                            VOLUME_MODE,
                            VOLUME_FORCE,
                            VOLUME_FREEZE,
                            VOLUME_MAX_SIZE,
                            VOLUME_JSON,
                            VOLUME_NO_LEGEND,
                            _VOLUME_MAX,
} VolumeOption;
extern const Option volume_options[];
extern const Subverb volume_subverbs[];

typedef enum CpOption { CP_OWNER, CP_MAX_SIZE, CP_TOP, CP_JSON, _CP_MAX } CpOption;
extern const Option cp_options[];

typedef enum MountOption {
        MOUNT_OPTION_TYPE,
        MOUNT_OPTION_SUBPATH,
        MOUNT_OPTION_READ_ONLY,
        MOUNT_OPTION_FILE_TYPE,
        MOUNT_OPTION_IDMAP,
        MOUNT_OPTION_RECURSIVE,
        MOUNT_OPTION_CREATE,
        MOUNT_OPTION_OPTIONS,
        MOUNT_OPTION_JSON,
        _MOUNT_OPTION_MAX,
} MountOption;
extern const Option mount_options[];

typedef enum UmountOption { UMOUNT_JSON, _UMOUNT_MAX } UmountOption;
extern const Option umount_options[];

typedef enum FileOption { /* not every verb of file takes all of them */
                          FILE_LINES,
                          FILE_MODE,
                          FILE_USER,
                          FILE_OLD,
                          FILE_NEW,
                          FILE_AFTER,
                          FILE_IGNORE_CASE,
                          FILE_GLOB,
                          FILE_MAX,
                          FILE_MAX_SIZE,
                          FILE_FORCE,
                          FILE_JSON,
                          _FILE_MAX,
} FileOption;
extern const Option file_options[];
extern const Subverb file_subverbs[];
