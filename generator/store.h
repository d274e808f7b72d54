/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The values of one manifest with the lines they stand on. Hides iniparser's dictionary, of which only the
 * store is used: its reader cuts values and its typed getters guess (SURFACE 3). Keys are "section:key:number"
 * in lower case, since iniparser finds no others; a value is kept as "LINE:COLUMN:TEXT". */

typedef struct Store Store;

/* The dictionary's searches are linear: what one of them may hold is bounded, or a hostile manifest takes minutes. All
 * sections share one, but for those with a number, "Mount 5", each of which has its own. */
#define STORE_VALUES_MAX 1024
#define STORE_TOTAL_MAX  16384

typedef struct StoreValue {
        const char *text; /* borrowed, until the next store_add() or store_reset() of this key */
        unsigned line, column;
} StoreValue;

Store *store_free(Store *s);
DEFINE_CLEANUP(Store, store_free)
#define _cleanup_store_ _cleanup_(store_freep)

int store_new(Store **ret); /* 0 or -ENOMEM */

/* Appends a value to those of a key. 0; -E2BIG beyond STORE_VALUES_MAX or, with those of all numbered sections,
 * STORE_TOTAL_MAX; -ENOMEM. */
int store_add(Store *s, const char *section, const char *key, const char *text, unsigned line,
              unsigned column);

/* Sets a key to no value at all, which store_count() tells from a key never set. */
int store_reset(Store *s, const char *section, const char *key, unsigned line, unsigned column);

/* Where a key that was set was set first, or reset: its line. 0 if it never was. */
unsigned store_place(const Store *s, const char *section, const char *key);

/* How many values a key has, 0 after a reset, -ENOENT if it was never set. */
int store_count(const Store *s, const char *section, const char *key);

/* The value of that number, from 0. false if there is none. */
bool store_get(const Store *s, const char *section, const char *key, unsigned number, StoreValue *ret);

/* The text of the first value, or NULL. */
const char *store_text(const Store *s, const char *section, const char *key);
