/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/translate.h"

/* Services to files: the only writer. Hides atomicity (systemd and a second run of ourselves may read at any
 * moment: podman issue 29004) and that nothing of another generator is overwritten. */

/* The first words of every unit of ours, by which one is known again. */
#define OUTPUT_MARK "# Written by berth-generator from "

/* Writes the unit and its links below dir_fd. What fails is logged, the rest is still written; returns the last
 * failure: -EEXIST where another generator has a unit or link of that name. */
int output_write(int dir_fd, const Service *service);
