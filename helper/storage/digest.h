/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* SHA-256, the only digest that images are named by here ("sha256:" and 64 lower-case hex digits). Hides OpenSSL,
 * which is set up without its configuration file: that could name modules to load. */

#define DIGEST_SIZE      32
#define DIGEST_TEXT_SIZE (sizeof("sha256:") + 2 * (size_t) DIGEST_SIZE)

typedef struct Digest {
        unsigned char bytes[DIGEST_SIZE];
} Digest;

/* -EINVAL: no such text; -EOPNOTSUPP: a digest of another algorithm. */
int digest_parse(const char *s, Digest *ret);

/* Takes the 64 digits alone. */
int digest_parse_hex(const char *s, Digest *ret);

void digest_format(const Digest *digest, char ret[static DIGEST_TEXT_SIZE]);
bool digest_equal(const Digest *a, const Digest *b);

/* A running hash. */
typedef struct Hash Hash;

/* NULL where memory is short or this OpenSSL has no SHA-256. The first one must be made before a process gives up
 * the right to open files. */
Hash *hash_new(void);
Hash *hash_free(Hash *hash);
DEFINE_CLEANUP(Hash, hash_free)
#define _cleanup_hash_ _cleanup_(hash_freep)

void hash_update(Hash *hash, const void *data, size_t size);

/* What was hashed since it was made or last asked; it starts anew. */
void hash_finish(Hash *hash, Digest *ret);
