/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* NULL-terminated vectors of strings, the only container type. NULL is an empty vector. A vector owns its
 * strings. All of them return 0 or -ENOMEM, and leave the vector as it was on failure. */

char **strv_free(char **v);
DEFINE_CLEANUP(char *, strv_free)
#define _cleanup_strv_ _cleanup_(strv_freep)

size_t strv_length(char *const *v);
bool strv_contains(char *const *v, const char *s);

/* Appends a copy of s. */
int strv_append(char ***v, const char *s);

/* Appends s itself; on failure s is freed, so that the caller never has to. */
int strv_consume(char ***v, char *s);

/* Appends a formatted string. */
int strv_appendf(char ***v, const char *format, ...) _printf_(2, 3);

/* Copies the whole vector. */
int strv_copy(char *const *v, char ***ret);

/* "A=b" style: sets NAME=VALUE, replacing the assignment of the same NAME. assignment must contain '='. */
int strv_env_set(char ***env, const char *assignment);

/* The value of name in "A=b" style env, or NULL. Borrowed. */
const char *strv_env_get(char *const *env, const char *name);
