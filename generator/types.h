/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Types of values: text as a manifest has it to the one form that translate and the helper know ("on" -> "yes",
 * "1.5G" -> bytes), or a sentence on what is wrong. Knows no key. Nothing is guessed and nothing is rounded up
 * to a default. */

typedef struct Type {
        const char *expected; /* completes "KEY= is 'VALUE': expected ..." */
        /* Gives the canonical text. 0; -ENOMEM; -EINVAL, with *reterr, if there is more to say than "expected",
         * set to an own string that completes "KEY=: ...". */
        int (*parse)(const char *value, char **ret, char **reterr);
} Type;

extern const Type type_bool;
extern const Type type_image;       /* image id or absolute path */
extern const Type type_words;       /* kept as written, checked */
extern const Type type_user;        /* name or number */
extern const Type type_path;        /* absolute, normal, no control characters */
extern const Type type_environment; /* words NAME=VALUE, kept as written */
extern const Type type_hostname;
extern const Type type_template;      /* a name of letters, digits, '-' and '_' */
extern const Type type_private_users; /* pick, identity, no, BASE:SIZE */
extern const Type type_volume;        /* VOLUME:/target[:ro][:idmap=...], kept as written */
extern const Type type_mount_type;    /* volume, bind, assets, pointer, backup, tmpfs */
extern const Type type_text;      /* any text with good specifiers; what it means depends on other keys */
extern const Type type_file_type; /* file, directory, infer */
extern const Type type_id_map;    /* auto, or ranges, one blank between them */
extern const Type type_mount_options; /* size=, mode=, ...; sizes in bytes */
extern const Type type_cpus;          /* per mille of a CPU */
extern const Type type_size;          /* bytes, at least 1 */
extern const Type type_size_or_zero;  /* bytes */
extern const Type type_count;         /* a number, at least 1 */
extern const Type type_span;          /* "infinity" or microseconds, at least 1 */

/* Is path, in which specifiers may stand, absolute, without "." and "..", free of control characters and short
 * enough? 0; -ENOMEM; -EINVAL with *reterr set to an own sentence. */
int type_check_path(const char *path, char **reterr);

/* Are all "%" of s specifiers or doubled? As above. */
int type_check_specifiers(const char *s, char **reterr);

/* Sets *reterr to a formatted own string. Always -EINVAL, or -ENOMEM. */
int type_complain(char **reterr, const char *format, ...) _printf_(2, 3);
