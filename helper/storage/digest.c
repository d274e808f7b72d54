/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

struct Hash {
        EVP_MD_CTX *context;
};

/* Fetched once and kept until the end: it is not looked for again where nothing can be opened any more. */
static EVP_MD *sha256;

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int digest_parse_hex(const char *s, Digest *ret) {
        Digest digest;

        if (strlen(s) != 2 * (size_t) DIGEST_SIZE)
                return -EINVAL;
        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                int high = hex_value(s[2 * i]), low = hex_value(s[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EINVAL;
                digest.bytes[i] = (unsigned char) (high << 4 | low);
        }
        *ret = digest;
        return 0;
}

int digest_parse(const char *s, Digest *ret) {
        const char *hex = startswith(s, "sha256:");

        if (!hex)
                return startswith(s, "sha512:") || startswith(s, "sha384:") ? -EOPNOTSUPP : -EINVAL;
        return digest_parse_hex(hex, ret);
}

void digest_format(const Digest *digest, char ret[static DIGEST_TEXT_SIZE]) {
        static const char digits[] = "0123456789abcdef";
        char *to = stpcpy(ret, "sha256:");

        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                *to++ = digits[digest->bytes[i] >> 4];
                *to++ = digits[digest->bytes[i] & 15];
        }
        *to = '\0';
}

bool digest_equal(const Digest *a, const Digest *b) {
        return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

static bool start(Hash *hash) {
        return EVP_DigestInit_ex2(hash->context, sha256, NULL) == 1;
}

Hash *hash_new(void) {
        _cleanup_hash_ Hash *hash = calloc(1, sizeof(Hash));

        if (!hash)
                return NULL;
        if (!sha256) {
                if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
                        return NULL;
                sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        }
        hash->context = EVP_MD_CTX_new();
        if (!sha256 || !hash->context || !start(hash))
                return NULL;
        return TAKE_PTR(hash);
}

Hash *hash_free(Hash *hash) {
        if (hash)
                EVP_MD_CTX_free(hash->context);
        free(hash);
        return NULL;
}

/* None of these can fail but by a bug: a hash that went on after one would vouch for other bytes. */
void hash_update(Hash *hash, const void *data, size_t size) {
        int done = EVP_DigestUpdate(hash->context, data, size);

        assert(done == 1);
        (void) done;
}

void hash_finish(Hash *hash, Digest *ret) {
        unsigned size = 0;
        bool done;

        done = EVP_DigestFinal_ex(hash->context, ret->bytes, &size) == 1 && size == DIGEST_SIZE;
        done = done && start(hash);
        assert(done);
        (void) done;
}
