/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/launch/plan.h"

/* What launch understands and does not do yet (common/unsupported.h): such an option is checked and kept, so that
 * --dry-run shows it, and the start is refused before anything is made. Nothing that a manifest asks for is ever left
 * out in silence. */

/* Takes an option that nobody else knows. 0; -EINVAL, logged, if its value has not the form; -ENOENT if it is not of
 * the table. */
int unsupported_take(Plan *plan, int option, const char *value);

/* --dry-run: the options that were taken. */
void unsupported_print(FILE *f, const Plan *plan);

/* Logs each key that asks for what is not done, once. -EOPNOTSUPP, or 0 if there is none. */
int unsupported_refuse(const Plan *plan);
