/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/types.h"

/* The types of what a process in the container is, may and sees. "Words" are kept one blank between, in the spelling
 * that launch takes; where a word may hold blanks the value is kept as written. */

extern const Type type_profile;       /* minimal, standard, full */
extern const Type type_paths;         /* words, absolute paths; as written */
extern const Type type_marked_paths;  /* the same, "-" before one that may be missing; as written */
extern const Type type_users;         /* words, as type_user */
extern const Type type_umask;         /* four octal digits */
extern const Type type_timezone;      /* a name of tzdata, or local */
extern const Type type_secrets;       /* words NAME[:env=VAR] */
extern const Type type_notify;        /* yes, no, healthy */
extern const Type type_capabilities;  /* words, the kernel's names */
extern const Type type_drops;         /* the same, or all */
extern const Type type_call_filter;   /* [~]@group name name:ERRNO ..., one blank between */
extern const Type type_apparmor;      /* a profile's name */
extern const Type type_device;        /* "/dev/NAME ACCESS" */
extern const Type type_sysctl;        /* KEY=VALUE, the key with dots */
extern const Type type_tmpfs;         /* words PATH[:OPTIONS]; as written */
extern const Type type_namespace;     /* private, host */
extern const Type type_resolv_conf;   /* auto, off, copy-host */
extern const Type type_signal;        /* "SIGTERM", "SIGRTMIN+3" */
extern const Type type_command;       /* words, the first an absolute path; as written */
extern const Type type_program;       /* words, the first not empty; as written */
extern const Type type_label;         /* KEY=VALUE */
extern const Type type_weight;        /* 1 to 10000 */
extern const Type type_io_rate;       /* "PATH BYTES" */
extern const Type type_limit_size;    /* SOFT[:HARD] as LimitFSIZE= has them: bytes or infinity */
extern const Type type_limit_count;   /* the same, numbers */
extern const Type type_limit_seconds; /* the same, time spans in whole seconds */
extern const Type type_limit_usec;    /* the same, time spans in microseconds */
extern const Type type_limit_nice;    /* the same, LimitNICE= */
