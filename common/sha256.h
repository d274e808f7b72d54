/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* SHA-256 (FIPS 180-4) of what is in memory, for the static program: a libcrypto in it would be larger than all the
 * rest. What reads archives uses libcrypto (helper/storage/digest.h). */

#define SHA256_SIZE     32
#define SHA256_HEX_SIZE (2 * SHA256_SIZE + 1)

void sha256(const void *data, size_t size, uint8_t ret[static SHA256_SIZE]);

/* Lower-case digits. */
void sha256_hex(const uint8_t digest[static SHA256_SIZE], char ret[static SHA256_HEX_SIZE]);
