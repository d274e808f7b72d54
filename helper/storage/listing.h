/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "common/base.h"
#include "helper/storage/digest.h"
#include "helper/storage/extract.h"
#include "helper/text/progress.h"

/* The canonical listing of a tree of files: what an image without a manifest has its digest from, and what
 * "berth image verify" compares. Text, a line for each name, directories before what is in them, names sorted by
 * their bytes:
 *
 *   KIND MODE UID GID MTIME SIZE CONTENT NAME
 *
 *   KIND     d directory, f regular file, l symbolic link, p FIFO; h: the file of the line that CONTENT names
 *   MODE     four octal digits
 *   MTIME    seconds.nanoseconds since 1970
 *   SIZE     bytes of a regular file, else 0
 *   CONTENT  SHA-256 of a regular file in hex; target of a link; else -
 *   NAME     "." for the root, "./usr" and so on
 *
 * In names and targets everything but visible ASCII is \xNN, a backslash and a blank too. A line that begins with a
 * blank follows for each extended attribute that is kept, sorted: " x NAME VALUE-IN-HEX". */

#define LISTING_HEADING "berth-listing 1\n"

typedef struct ListingOptions {
        const char *what;     /* for messages; borrowed */
        const Extract *times; /* NULL, or from where directories get their modification times */
        Progress *progress;   /* NULL: none */
} ListingOptions;

/* Writes the listing of root_fd, a directory, and tells its digest. Logs. */
int listing_make(int root_fd, const ListingOptions *options, FILE *f, Digest *ret);

/* Says on standard output where two listings differ, at most max lines, and "and N more"; with 0 nothing. Returns the number of
 * names that differ, or negative errno. */
int listing_compare(FILE *wanted, FILE *found, unsigned max);
