/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "common/base.h"
#include "common/parse.h"

/* What one launch will do, complete and checked before anything is done. Argument syntax ends here. */

typedef enum MountType {
        MOUNT_VOLUME,
        MOUNT_BIND,
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
        char *source; /* volume: NAME or OTHER:NAME; bind: absolute path; tmpfs: NULL */
        char *target; /* absolute path inside */
        bool read_only;
        bool create; /* a missing source of a bind is made */
        FileType file_type;
        IdRange *id_ranges;
        size_t n_id_ranges;
        bool id_auto;
        char *options; /* tmpfs */
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
        _NETWORK_MODE_MAX,
        _NETWORK_MODE_INVALID = -EINVAL,
} NetworkMode;

typedef struct Plan { /* strings borrow from argv; vectors and mounts are its own */
        const char *name;
        const char *image;
        char **entrypoint; /* NULL unless given; {} for "none" */
        bool entrypoint_set;
        char *const *command; /* the words behind "--" */
        bool command_set;
        const char *user;  /* NULL: root */
        const char *group; /* NULL: the user's */
        const char *working_directory;
        const char *hostname;
        char **env;
        char **env_files;
        bool init;
        bool read_only;
        bool ephemeral;
        PrivateUsers private_users;
        uint32_t uid_base, uid_count; /* of PRIVATE_USERS_RANGE */
        MountSpec *mounts;            /* sorted by target, parents first */
        size_t n_mounts;
        NetworkMode network;
        char **controllers;
        bool sockets; /* those that systemd passes go to the command */
        bool dry_run;
        bool foreground;
} Plan;

void plan_done(Plan *plan);
#define _cleanup_plan_ _cleanup_(plan_done)

/* Reads launch's arguments (common/contract.h). Logs every kind of wrong usage and returns -EINVAL; 1 after
 * --help. */
int plan_parse(int argc, char *argv[], Plan *ret);

/* --dry-run: one "Key: value" a line, in a fixed order, what tests compare. */
void plan_print(FILE *f, const Plan *plan);
