/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/set.h"

/* berth-manifest: one invocation of it, complete before anything is done, and the verbs it has, each in the file of
 * its name. They return the exit status. */

#define GENERATOR_DIR "/run/systemd/generator" /* systemd.generator(7): the first of the three */

typedef struct Tool { /* borrows from argv */
        SetOptions set;
        bool json;
        const char *output; /* of convert */
        char **arguments;   /* what is left of the command line, NULL at the end */
} Tool;

int verb_check(const Tool *tool);
int verb_preview(const Tool *tool);
int verb_diff(const Tool *tool);
int verb_convert(const Tool *tool);
int verb_enable(const Tool *tool);
int verb_disable(const Tool *tool);
