/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/gate/gate-verbs.h"

/* The words of what a user who is not root asks for, in one form. The client says what it wants in that form, and the
 * gate brings it there again by the same table: what is executed is what was looked at, whatever a client sends. */

/* Of the words of a verb. Owns its vectors. */
typedef struct GateWords {
        const GateVerb *row;
        bool container; /* exits as exec does (125), not as other verbs (1) */
        char **names;   /* of the containers that it is about, each once; NULL: of all */
        char *user;     /* --user=, or NULL */
        char *volume;   /* of the container, or NULL */
        char **argv; /* "berth", the verb, the options, "--" and the operands, or these, "--" and the command */
        char **files;     /* the client's: those to open, in the order of their "fd:N" in argv */
        uint64_t n_files; /* the gate's: how many descriptors argv speaks of */
} GateWords;

void gate_words_done(GateWords *words);
#define _cleanup_gate_words_ _cleanup_(gate_words_done)

/* Does anything of the verb go through the gate, or is there a reason why it does not? */
bool gate_has_verb(const char *verb);

/* The client's side. argv[0] is the verb. 0; 1: nothing for the gate (--help, or words that do not suffice): whoever
 * has the verb says so; -EINVAL: wrong usage, logged; -EPERM: for root alone, logged. */
int gate_words_ask(char *argv[], GateWords *ret);

/* The gate's side: the words that a client sent, without "berth" in front. first_fd: what the file fd:0 is numbered
 * when argv is executed. 0, -EPERM: a verb for root alone, or -EBADMSG. */
int gate_words_check(char *argv[], int first_fd, GateWords *ret);

/* What a verb that is refused exits with. */
int gate_exit_status(const GateWords *words);
