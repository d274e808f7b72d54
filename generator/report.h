/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "generator/manifest.h"

/* What "berth check" prints: lines "FILE:LINE:COL: error: ...", or one JSON object. */

typedef struct Report Report;

Report *report_free(Report *r);
DEFINE_CLEANUP(Report, report_free)
#define _cleanup_report_ _cleanup_(report_freep)

/* It goes to f. 0 or -ENOMEM. */
int report_new(FILE *f, bool json, Report **ret);

/* Adds one finding. line 0 is the file as a whole. */
void report_add(Report *r, const char *path, DiagLevel level, unsigned line, unsigned column,
                const char *message);

/* Adds all that m->diags has. */
void report_manifest(Report *r, const Manifest *m);

/* Prints the object, if it is one. 0, 1 if an error was added, or -ENOMEM. */
int report_finish(Report *r);

/* A string of JSON, which is UTF-8, of what need not be, as a file's name: what is not becomes '?'. */
struct json_object *report_new_text(const char *s);
