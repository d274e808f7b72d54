/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The strings of JSON (RFC 8259, section 7), for programs that write a line or two of it and load no library. */

/* How long n bytes can become, the quotes included. */
#define JSON_TEXT_MAX(n)   (6 * (n) + 2)
#define JSON_BASE64_MAX(n) (((n) + 2) / 3 * 4 + 2)

/* Writes the n bytes of s, which are UTF-8 (utf8.h), as a string with its quotes; NUL is \u0000. Returns its length;
 * nothing terminates it. */
size_t json_text(const char *s, size_t n, char *ret);

/* The same in base64 (RFC 4648, section 4), for what is no UTF-8. */
size_t json_base64(const char *s, size_t n, char *ret);

/* The bytes of n characters of base64, without quotes, up to the first that is none; at most n. Returns how many. */
size_t json_unbase64(const char *s, size_t n, char *ret);
