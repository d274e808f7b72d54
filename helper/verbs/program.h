/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The main function of a program that has some of the verbs, and that berth executes for them. */

typedef struct ProgramVerb {
        const char *name;
        int (*run)(int argc, char *argv[]); /* argv[0] is the verb; returns the exit status */
} ProgramVerb;

/* Runs the verb that argv[1] names. name: of the program. Returns its exit status. */
int program_run(const char *name, const ProgramVerb *verbs, size_t n, int argc, char *argv[]);
