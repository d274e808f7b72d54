/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "common/base.h"
#include "helper/exec/inside.h"
#include "helper/exec/place.h"
#include "helper/verbs/subverbs.h"

/* The verbs of "berth file", and what they share: each works on one container, tells what it did as one JSON object
 * with --json, and what failed as {"error": {"stage", "errno", "message"}}, which no container can forge. */

#define FILE_SIZE_DEFAULT (UINT64_C(16) << 20)
#define FILE_SIZE_MAX     (UINT64_C(1) << 30)

typedef struct FileCall {
        const SubverbCall *words;
        const char *name; /* the container */
        bool json;
        uint64_t max_size;
        uint64_t after; /* --after= */
        bool set_mode;
        mode_t mode; /* --mode= */
        char *input; /* standard input, of those that take it: it is read before anything is locked */
        size_t input_size;
        Inside inside;
        bool usage;           /* what failed are the words */
        json_object *details; /* further members of an error, or NULL */
} FileCall;

int file_read(FileCall *call);
int file_write(FileCall *call);
int file_append(FileCall *call);
int file_replace(FileCall *call);
int file_insert(FileCall *call);
int file_move(FileCall *call);
int file_copy(FileCall *call);
int file_search(FileCall *call);
int file_list(FileCall *call);

/* Says what failed, in the way that was asked for, and returns negative error. */
int file_fail(FileCall *call, const char *stage, int error, const char *format, ...) _printf_(4, 5);

/* The same for an operation on path, in words for the errors that place.h has. */
int file_fail_path(FileCall *call, const char *stage, int error, const char *path);

/* Finds path, as place_find(). Logs. */
int file_find(FileCall *call, const char *path, unsigned flags, Place *ret);

/* Finds path, and reads what is there, up to the call's maximum; what it is goes to *ret_stat. Logs. */
int file_load(FileCall *call, const char *path, Place *ret_place, char **ret, size_t *ret_size,
              struct stat *ret_stat);

typedef struct FilePart { /* borrows */
        const char *data;
        size_t size;
} FilePart;

/* Makes the n parts the content of what is at place, which path led to, and prints what became of it. expected: what
 * the parts were made of, or NULL. Logs. */
int file_store(FileCall *call, const char *path, const Place *place, const FilePart *parts, size_t n,
               const struct stat *expected);

/* Prints object on one line, and puts it. */
int file_print(json_object *object);

/* Adds "content" and "encoding", "utf-8" or "base64". */
void file_add_content(json_object *object, const char *s, size_t size);

/* Adds a name or a line, which is whatever bytes: U+FFFD stands for those that are no UTF-8, and if there are such
 * NAME_base64 has them all. */
void file_add_name(json_object *object, const char *name, const char *s, size_t size);

/* Adds "type", "size", "mode", "uid", "gid", "modified". */
void file_add_stat(json_object *object, const struct stat *st);
