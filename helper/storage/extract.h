/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "common/base.h"
#include "helper/text/progress.h"

/* Makes a tree of files below one directory from entries that nobody vouches for. Nothing is ever reached by a path
 * that leads through a symbolic link or out of the directory, whatever was made there before; nothing of it is run.
 *
 * Kept: directories, regular files (with holes), symbolic and hard links, FIFOs; numeric owners, modes with set-uid
 * bits, modification times, access control lists, extended attributes user.* (but not user.overlay.*, which mean
 * something to the overlay that the tree becomes a part of) and security.capability. Left out and counted: devices,
 * sockets, other attributes.
 * Refused: everything that archive-path.h refuses, entries below a link or a file, hard links to anything but a
 * regular file of the same tree, a root that is no directory, and more than the limits.
 *
 * Directories have their modification times only when all that is in them is there: extract_directory_time() tells
 * them, and listing_make() sets them. */

#define EXTRACT_ENTRIES_MAX UINT64_C(10000000)
#define EXTRACT_BYTES_MAX   (UINT64_C(64) << 30)

typedef struct ExtractLimits {
        uint64_t entries;
        uint64_t bytes; /* sum of the files' sizes, holes included */
} ExtractLimits;

typedef struct ExtractCount {
        uint64_t entries, bytes;
        uint64_t devices, sockets, attributes; /* left out */
} ExtractCount;

typedef struct ExtractAttribute { /* borrows */
        const char *name;
        const void *value;
        size_t size;
} ExtractAttribute;

typedef struct ExtractEntry { /* borrows */
        const char *path;     /* as it stands in the archive */
        mode_t mode;          /* type and permissions */
        uint64_t uid, gid;
        struct timespec mtime;
        uint64_t size;
        const char *target;   /* of a symbolic link */
        const char *hardlink; /* if set, mode does not matter */
        const ExtractAttribute *attributes;
        size_t n_attributes;
} ExtractEntry;

typedef struct Extract Extract;

/* Writes the content of a regular file, with extract_write() and nothing else. */
typedef int (*ExtractContent)(Extract *x, int fd, void *userdata);

/* Extracts below root_fd, an empty directory of our own, which is borrowed. */
Extract *extract_new(int root_fd, const ExtractLimits *limits);
Extract *extract_free(Extract *x);
DEFINE_CLEANUP(Extract, extract_free)
#define _cleanup_extract_ _cleanup_(extract_freep)

/* What the entries that follow come from, for messages, and the bar that these take the place of (NULL: none); both
 * borrowed. With layer, names that begin with ".wh." remove what came before this call, and nothing that comes after
 * it. */
void extract_begin(Extract *x, const char *what, bool layer, Progress *progress);

/* Is an extended attribute of that name kept? */
bool extract_keeps(const char *attribute);

/* All of them log, naming source and entry. content is called for regular files with a size. */
int extract_entry(Extract *x, const ExtractEntry *entry, ExtractContent content, void *userdata);
int extract_write(Extract *x, int fd, const void *data, size_t size, uint64_t offset);

const ExtractCount *extract_count(const Extract *x);

/* The modification time that directory path ("." or "usr/bin") is to have; 0 where no entry has said. */
struct timespec extract_directory_time(const Extract *x, const char *path);
