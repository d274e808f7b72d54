/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/translate.h"

/* Services to files: the only writer. Hides atomicity (systemd and a second run of ourselves may read at any
 * moment: podman issue 29004) and that nothing of another generator is overwritten. */

/* The first words of every unit of ours, by which one is known again. */
#define OUTPUT_MARK "# Written by berth-generator from "

/* A directory that is written to. */
typedef struct Output {
        int dir_fd;
        char temporary[64];
        char *links;  /* the name of the directory of links used last, "multi-user.target.wants"; owned */
        int links_fd; /* and that directory */
} Output;

void output_done(Output *o);
#define _cleanup_output_ _cleanup_(output_done)

/* 0 or negative errno, logged. */
int output_open(Output *o, const char *path);

/* Masks a unit: a link to /dev/null. What fails is logged. */
int output_mask(const Output *o, const char *unit);

/* Writes the unit, its links and the further units. What fails is logged, the rest is still written; returns the last failure:
 * -EEXIST where another generator has a unit or link of that name. */
int output_write(Output *o, const Service *service);
