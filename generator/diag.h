/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What is wrong with one manifest, as data: collected by the pure modules, printed by whoever has a place to
 * print to. Hides the bounds that keep a hostile file from filling memory, the journal or a unit. */

#define DIAG_KEPT_MAX    256 /* of one manifest; more are counted, not kept */
#define DIAG_MESSAGE_MAX 700 /* bytes of one message, NUL included */

/* A place is a line of a file: what is called "line" here and in what values carry. The manifest is file 0, so that
 * its places are its line numbers; its drop-ins follow in the order in which they hold, and so do their places. */
#define PLACE_LINE_BITS 23 /* more lines than a file can have (LINES_FILE_MAX) */
#define PLACE_FILES_MAX (1U << (31 - PLACE_LINE_BITS))

static inline unsigned place_make(size_t file, unsigned line) {
        assert(file < PLACE_FILES_MAX && line < 1U << PLACE_LINE_BITS);
        return (unsigned) file << PLACE_LINE_BITS | line;
}

static inline unsigned place_line(unsigned place) {
        return place & ((1U << PLACE_LINE_BITS) - 1);
}

static inline size_t place_file(unsigned place) {
        return place >> PLACE_LINE_BITS;
}

typedef enum DiagLevel {
        DIAG_ERROR,
        DIAG_WARNING,
} DiagLevel;

typedef struct Diag {
        DiagLevel level;
        unsigned line, column; /* a place; lines from 1, 0 is the file as a whole */
        size_t order;          /* in which it was found */
        char *message;
} Diag;

typedef struct Diags {
        Diag *list; /* owned */
        size_t n;
        size_t errors, warnings; /* those not kept included */
        size_t order;
        char **files; /* their paths as messages show them; owned */
        bool failed;  /* out of memory */
} Diags;

void diags_done(Diags *d);

/* Adds one finding. A message too long is cut between characters. */
void diag_add(Diags *d, DiagLevel level, unsigned line, unsigned column, const char *format, ...)
                _printf_(5, 6);

#define diag_error(d, line, column, ...)   diag_add(d, DIAG_ERROR, line, column, __VA_ARGS__)
#define diag_warning(d, line, column, ...) diag_add(d, DIAG_WARNING, line, column, __VA_ARGS__)

/* The path of a place's file. */
const char *diags_path(const Diags *d, unsigned line);

/* Words for a place in a message about the place from: "line 5", or "line 5 of FILE" where the files differ. */
#define DIAG_PLACE_SIZE 320
const char *diag_place_into(const Diags *d, unsigned line, unsigned from,
                            char buffer[static DIAG_PLACE_SIZE]);
#define DIAG_PLACE(d, line, from) diag_place_into(d, line, from, (char[DIAG_PLACE_SIZE]){ 0 })

/* Will the next finding only be counted? Then its words need not be looked for. */
static inline bool diags_full(const Diags *d) {
        return d->n >= DIAG_KEPT_MAX;
}

/* Puts them in order of line; those of one line stay as they were found. */
void diags_sort(Diags *d);

/* Copies s into buffer for a message: whole if short, else its beginning and "...", cut between characters.
 * Returns buffer. */
#define DIAG_CLIP_SIZE 104
const char *diag_clip_into(const char *s, size_t n, char buffer[static DIAG_CLIP_SIZE]);
#define DIAG_CLIP(s) diag_clip_into(s, strlen(s), (char[DIAG_CLIP_SIZE]){ 0 })
