/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What is wrong with one manifest, as data: collected by the pure modules, printed by whoever has a place to
 * print to. Hides the bounds that keep a hostile file from filling memory, the journal or a unit. */

#define DIAG_KEPT_MAX    256 /* of one manifest; more are counted, not kept */
#define DIAG_MESSAGE_MAX 700 /* bytes of one message, NUL included */

typedef enum DiagLevel {
        DIAG_ERROR,
        DIAG_WARNING,
} DiagLevel;

typedef struct Diag {
        DiagLevel level;
        unsigned line, column; /* from 1; 0 is the file as a whole */
        size_t order;          /* in which it was found */
        char *message;
} Diag;

typedef struct Diags {
        Diag *list; /* owned */
        size_t n;
        size_t errors, warnings; /* those not kept included */
        size_t order;
        bool failed; /* out of memory */
} Diags;

void diags_done(Diags *d);

/* Adds one finding. A message too long is cut between characters. */
void diag_add(Diags *d, DiagLevel level, unsigned line, unsigned column, const char *format, ...)
                _printf_(5, 6);

#define diag_error(d, line, column, ...)   diag_add(d, DIAG_ERROR, line, column, __VA_ARGS__)
#define diag_warning(d, line, column, ...) diag_add(d, DIAG_WARNING, line, column, __VA_ARGS__)

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
