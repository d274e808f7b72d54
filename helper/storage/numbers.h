/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* A map from numbers to strings, or a set of numbers: inodes with several names, paths by their hash. */

typedef struct Numbers {
        struct NumbersSlot *slots;
        size_t n, room;
} Numbers;

/* Frees the strings as well. */
void numbers_done(Numbers *numbers);
#define _cleanup_numbers_ _cleanup_(numbers_done)

/* Adds number; value is copied, and may be NULL. Of a number that is there already nothing changes. */
int numbers_add(Numbers *numbers, uint64_t number, const char *value);

/* The same, but replaces the string. */
int numbers_set(Numbers *numbers, uint64_t number, const char *value);

bool numbers_contains(const Numbers *numbers, uint64_t number);

/* The string of number, borrowed, or NULL. */
const char *numbers_get(const Numbers *numbers, uint64_t number);

/* One of an inode's. */
uint64_t numbers_of_inode(dev_t device, ino_t inode);

/* A number for the n bytes of s. Two strings with the same one are so rare that only their maker could mind. */
uint64_t numbers_hash(const char *s, size_t n);
