/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/diag.h"

/* What "berth check" prints: lines "FILE:LINE:COL: error: ...", or one JSON object. */

typedef struct Report Report;

Report *report_free(Report *r);
DEFINE_CLEANUP(Report, report_free)
#define _cleanup_report_ _cleanup_(report_freep)

int report_new(bool json, Report **ret); /* 0 or -ENOMEM */

/* Adds one finding. line 0 is the file as a whole. */
void report_add(Report *r, const char *path, DiagLevel level, unsigned line, unsigned column,
                const char *message);

/* Prints the object, if it is one. 0, 1 if an error was added, or -ENOMEM. */
int report_finish(Report *r);
