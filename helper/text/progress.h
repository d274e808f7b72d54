/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* A bar on the terminal that standard error is; nothing where it is none. */

typedef struct Progress {
        bool shown;
        const char *what;
        uint64_t done, total; /* bytes; total 0: not known */
        uint64_t drawn_usec, started_usec;
} Progress;

/* Looks whether there is a terminal. what is borrowed, and has to be printable. */
void progress_begin(Progress *progress, const char *what, uint64_t total);

/* Takes NULL as well. */
void progress_add(Progress *progress, uint64_t bytes);

/* Removes the bar, so that a message can stand in its place; the next progress_add() brings it back. */
void progress_clear(Progress *progress);

/* "1.2G", of 1024. */
void format_bytes(uint64_t bytes, char ret[static 16]);
