/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "generator/types.h"

/* The one table of sections and keys: a key exists here or nowhere. The parser, --list-keys, the man page test,
 * the completion and the fuzz dictionary all read it. */

typedef enum SectionKind {
        SECTION_KEYS,  /* Berth's own keys */
        SECTION_NAMED, /* the same, "[SECTION NAME]", any number of them */
        SECTION_PASS,  /* systemd's directives, passed on */
        SECTION_LATER, /* known, not in this version */
} SectionKind;

typedef struct Section {
        const char *name;
        SectionKind kind;
} Section;

typedef struct Key {
        const char *section, *name;
        const Type *type; /* NULL: known, not in this version */
        bool list;        /* may be repeated, and an empty value empties it; else once */
        const char *doc;  /* a sentence; NULL where type is */
} Key;

/* The section of that name, or NULL. */
const Section *section_find(const char *name);

/* The key of that name in a section, or NULL. A name that ends in "*" in the table stands for all it begins. */
const Key *key_find(const char *section, const char *name);

/* The first key of that name in any section of kind SECTION_KEYS, supported or not, or NULL. */
const Key *key_find_elsewhere(const char *name);

/* The key of that number, from 0, or NULL behind the last. */
const Key *key_at(size_t i);

/* The name that was likely meant, or NULL. Borrowed from the table. */
const char *section_suggest(const char *name);
const char *key_suggest(const char *section, const char *name);

/* Prints "SECTION<TAB>KEY<TAB>DOC" for each supported key. */
void keys_print(FILE *f);
