/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What becomes of each verb where the caller is not root, as rows: what goes through the gate, with which words and
 * under which of polkit's actions, and what is for root alone, and why. The gate, its client, the file of polkit's
 * actions and the manual page read them and nothing else. Data only. */

#define GATE_ACTION_PREFIX "org.berth."

/* What the operands of a row are, a letter each; behind '?' they may be left out, before '+' the last one repeats. */
typedef enum GateOperand {
        GATE_CONTAINER = 'c', /* the name of a container */
        GATE_NUMBER = 'n',
        GATE_JOB = 'j',    /* CONTAINER-ID */
        GATE_VOLUME = 'v', /* CONTAINER:VOLUME */
        GATE_INSIDE = 'i', /* CONTAINER:/PATH */
        GATE_TEXT = 't',   /* what means nothing on the host */
        GATE_STREAM = 's', /* "-"; a path is the client's own affair */
        GATE_OUTPUT = 'o', /* "-"; a path is for root */
        GATE_FILE = 'f',   /* a file that the client opens for reading, or "-" */
} GateOperand;

typedef struct GateVerb {
        const char *name,
                        *subverb; /* subverb: NULL where the verb has none, or the row is about all of them */
        const char *action;       /* behind the prefix; NULL: NAME, or NAME.SUBVERB */
        const char *help;         /* what it does, where that is not what verbs.c says */
        const char *operands;
        uint64_t options; /* those that may be used */
        uint64_t files;   /* of them, those whose value is a file, which the client opens */
        uint64_t env;     /* of them, those whose value is NAME=VALUE, or NAME for the client's value */
        uint64_t user;    /* of them, that which says whose rights the container's are */
        uint64_t with;    /* of them, one without which the row is not meant */
        bool command;     /* the words of a command follow */
        bool active;      /* without a rule, users of an active local session may */
        bool open;        /* takes no rights, and has nothing to do with the gate */
        const char *root; /* why it is for root alone; then the fields above mean nothing */
} GateVerb;

extern const GateVerb gate_verbs
                []; /* ends at a row without a name; several of one verb: the first that fits holds */

/* The action's full name, for the caller to free; NULL: out of memory. */
char *gate_verb_action(const GateVerb *verb);

/* What it does, as a sentence without its period. */
const char *gate_verb_help(const GateVerb *verb);
