/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "common/base.h"
#include "common/parse.h"

/* What one launch will do, complete and checked before anything is done. Argument syntax ends here. */

typedef enum MountType {
        MOUNT_VOLUME,
        MOUNT_BIND,
        MOUNT_ASSETS,
        MOUNT_POINTER,
        MOUNT_BACKUP,
        MOUNT_TMPFS,
        _MOUNT_TYPE_MAX,
        _MOUNT_TYPE_INVALID = -EINVAL,
} MountType;

typedef enum FileType {
        FILE_INFER,
        FILE_FILE,
        FILE_DIRECTORY,
        _FILE_TYPE_MAX,
        _FILE_TYPE_INVALID = -EINVAL,
} FileType;

typedef struct MountSpec { /* owns */
        MountType type;
        char *source;  /* bind: absolute path; tmpfs: NULL; else NAME or OTHER:NAME */
        char *subpath; /* below the source, or NULL */
        char *target;  /* absolute path inside */
        bool read_only;
        bool create;    /* a missing source of a bind is made */
        bool recursive; /* a bind takes along what is mounted below it */
        FileType file_type;
        IdRange *id_ranges;
        size_t n_id_ranges;
        bool id_auto;
        char *options; /* tmpfs */
        int lock_fd;   /* of the directory that a volume is in, once it is open */
} MountSpec;

typedef enum PrivateUsers {
        PRIVATE_USERS_PICK,
        PRIVATE_USERS_IDENTITY,
        PRIVATE_USERS_NO,
        PRIVATE_USERS_RANGE,
} PrivateUsers;

typedef enum NetworkMode {
        NETWORK_PRIVATE,
        NETWORK_NONE,
        NETWORK_HOST,
        NETWORK_JOIN, /* another container's: plan->network_of */
        _NETWORK_MODE_MAX,
        _NETWORK_MODE_INVALID = -EINVAL,
} NetworkMode;

typedef enum Profile {
        PROFILE_NONE, /* an image */
        PROFILE_MINIMAL,
        PROFILE_STANDARD,
        PROFILE_FULL,
        _PROFILE_MAX,
        _PROFILE_INVALID = -EINVAL,
} Profile;

typedef enum NotifyMode {
        NOTIFY_NO,      /* the service is started once the command executes */
        NOTIFY_YES,     /* when the application says so */
        NOTIFY_HEALTHY, /* when a health check says so, which tells systemd itself */
        _NOTIFY_MODE_MAX,
        _NOTIFY_MODE_INVALID = -EINVAL,
} NotifyMode;

typedef enum ResolvConf {
        RESOLV_CONF_AUTO, /* what the network has: with NETWORK_HOST a copy of the host's, else none is made */
        RESOLV_CONF_OFF, /* the image's stays */
        RESOLV_CONF_COPY_HOST,
        _RESOLV_CONF_MAX,
        _RESOLV_CONF_INVALID = -EINVAL,
} ResolvConf;

typedef struct DeviceSpec {
        char *path;       /* below /dev, of the host and inside; owned */
        bool read, write; /* what its mode lets users of the container do; the unit's DeviceAllow= is the bound */
} DeviceSpec;

/* An option that is understood, and refused at the start (helper/launch/unsupported.h). */
typedef struct Asked {
        size_t row; /* in its table */
        const char *value;
} Asked;

typedef struct Plan { /* strings borrow from argv; vectors and mounts are its own */
        const char *name;
        const char *image; /* NULL with a profile */
        Profile profile;
        char **read_paths, **write_paths; /* of the host, with a profile */
        char **entrypoint;                /* NULL unless given; {} for "none" */
        bool entrypoint_set;
        char *const *command; /* the words behind "--" */
        bool command_set;
        const char *user;  /* NULL: root */
        const char *group; /* NULL: the user's */
        char **groups;     /* supplementary, beside those that the container's files give */
        const char *working_directory;
        const char *hostname;
        char **env;
        char **env_files;
        char **secrets; /* NAME or NAME:env=VARIABLE */
        bool init;
        NotifyMode notify;
        bool read_only;
        bool ephemeral;
        PrivateUsers private_users;
        uint32_t uid_base, uid_count; /* of PRIVATE_USERS_RANGE */
        MountSpec *mounts;            /* sorted by target, parents first */
        size_t n_mounts;
        NetworkMode network;
        const char *network_of; /* of NETWORK_JOIN */
        mode_t umask;
        bool umask_set;
        int kill_signal;      /* what a SIGTERM to the init is for the command; 0: as the image says */
        const char *timezone; /* NULL: the image's; "local": the host's */
        uint64_t add_capabilities, drop_capabilities, ambient_capabilities;
        bool no_new_privs;
        char **system_call_filters;  /* each a value of the key, in order */
        const char *seccomp_profile; /* a file of the host */
        const char *apparmor_profile;
        bool shared_run; /* the host's /run is mounted */
        bool host_ipc;   /* the host's System V IPC, message queues and /dev/shm */
        bool host_pids;  /* its pid namespace, and its /proc */
        DeviceSpec *devices;
        size_t n_devices;
        char **sysctls;    /* KEY=VALUE, keys with dots, of the container's own namespaces */
        uint64_t shm_size; /* 0: the default */
        uint64_t disk;     /* what the layer may hold; 0: no limit of ours */
        char **read_only_paths, **inaccessible_paths; /* "-" before one that may be missing */
        ResolvConf resolv_conf;
        char **hosts;  /* NAME:ADDRESS */
        char **labels; /* KEY=VALUE, each key once */
        Asked *asked;
        size_t n_asked;
        char **controllers;
        char **setup; /* "!WORD" begins a command, " WORD" goes on with it */
        bool setup_network;
        bool sockets; /* those that systemd passes go to the command */
        bool dry_run;
        bool foreground;
} Plan;

void plan_done(Plan *plan);
#define _cleanup_plan_ _cleanup_(plan_done)

/* Reads launch's arguments (common/contract.h). Logs every kind of wrong usage and returns -EINVAL; 1 after
 * --help. */
int plan_parse(int argc, char *argv[], Plan *ret);

/* Puts the mounts into their order, parents first. Logs and returns -EINVAL if two have the same target. */
int plan_order_mounts(Plan *plan);

/* The capabilities of the container: the default ones less those that are dropped, and those that are added. */
uint64_t plan_capabilities(const Plan *plan);

/* --dry-run: one "Key: value" a line, in a fixed order, what tests compare. */
void plan_print(FILE *f, const Plan *plan);
void plan_print_value(FILE *f, const char *key, const char *value);
