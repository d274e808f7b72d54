/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* UTF-8 as systemd reads it: RFC 3629 (no surrogates, nothing over-long, nothing above U+10FFFF) without Unicode's
 * noncharacters. */

/* Returns how many bytes from the start of s are whole valid characters; n if all are. NUL counts as one. */
size_t utf8_valid_prefix(const char *s, size_t n);

/* What a terminal would obey, or what forges the next line, becomes question marks: control characters of C0 but the tab,
 * DEL, and those of C1 (ISO 6429), which some terminals obey in UTF-8, as two bytes, and others as the one byte that is then
 * no UTF-8. */
void utf8_disarm(char *s, size_t n);

/* Writes the character c, which is no surrogate and at most U+10FFFF, into ret; returns how many bytes. */
size_t utf8_encode(uint32_t c, char ret[static 4]);
