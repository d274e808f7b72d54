/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdarg.h>

#include "common/base.h"

/* What is to be said of files that are converted, as data. Unlike Diags, findings of one conversion stand in several
 * files: a unit, its drop-ins, the pod it is in. */

#define FINDINGS_KEPT_MAX 2000 /* of one file; more are not told */

typedef enum FindingLevel {
        FINDING_NOTE,    /* carried, but worth knowing */
        FINDING_WARNING, /* not carried over */
        FINDING_ERROR,   /* the file is not converted */
} FindingLevel;

typedef struct Finding { /* owns its strings */
        FindingLevel level;
        char *path;
        unsigned line; /* from 1; 0: the file as a whole */
        char *message;
} Finding;

typedef struct Findings {
        Finding *list;
        size_t n;
        size_t notes, warnings, errors;
        bool failed; /* out of memory */
} Findings;

void findings_done(Findings *f);

/* Adds one. Control characters of the message become '?': it is one line. The same once more is left out. */
void finding_add(Findings *f, FindingLevel level, const char *path, unsigned line, const char *format, ...)
                _printf_(5, 6);
void finding_addv(Findings *f, FindingLevel level, const char *path, unsigned line, const char *format,
                  va_list ap) _printf_(5, 0);

/* Makes s text of one line, whatever it held: control characters and what is not UTF-8 become '?'. */
void findings_clean(char *s);

/* "note", "warning", "error". */
const char *finding_level_to_string(FindingLevel level);
