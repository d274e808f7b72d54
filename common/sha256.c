/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/sha256.h"

#include <stdio.h>

#define BLOCK 64

/* FIPS 180-4, 4.2.2: the fractions of the cube roots of the first 64 primes */
static const uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n) {
        return x >> n | x << (32 - n);
}

static uint32_t load(const uint8_t *p) {
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static void store(uint32_t x, uint8_t *p) {
        for (int i = 0; i < 4; i++)
                p[i] = (uint8_t) (x >> (24 - 8 * i));
}

/* 6.2.2 */
static void add_block(uint32_t hash[static 8], const uint8_t *block) {
        uint32_t w[64], v[8];

        for (size_t t = 0; t < 16; t++)
                w[t] = load(block + 4 * t);
        for (size_t t = 16; t < 64; t++) {
                uint32_t a = w[t - 15], b = w[t - 2];

                w[t] = w[t - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[t - 7] +
                       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
        }
        memcpy(v, hash, sizeof(v));
        for (size_t t = 0; t < 64; t++) {
                uint32_t first = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
                                 ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[t] + w[t];
                uint32_t second = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
                                  ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

                memmove(v + 1, v, 7 * sizeof(v[0]));
                v[4] += first;
                v[0] = first + second;
        }
        for (size_t i = 0; i < 8; i++)
                hash[i] += v[i];
}

void sha256(const void *data, size_t size, uint8_t ret[static SHA256_SIZE]) {
        uint32_t hash[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 }; /* 5.3.3 */
        uint8_t last[2 * BLOCK] = {};
        const uint8_t *p = data;
        size_t rest = size % BLOCK, padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;

        for (size_t i = 0; i + BLOCK <= size; i += BLOCK)
                add_block(hash, p + i);
        /* 5.1.1: a one bit, zeros, and the length in bits */
        if (rest > 0)
                memcpy(last, p + size - rest, rest);
        last[rest] = 0x80;
        store((uint32_t) ((uint64_t) size >> 29), last + padded - 8);
        store((uint32_t) ((uint64_t) size << 3), last + padded - 4);
        for (size_t i = 0; i < padded; i += BLOCK)
                add_block(hash, last + i);
        for (size_t i = 0; i < 8; i++)
                store(hash[i], ret + 4 * i);
}

void sha256_hex(const uint8_t digest[static SHA256_SIZE], char ret[static SHA256_HEX_SIZE]) {
        for (size_t i = 0; i < SHA256_SIZE; i++)
                snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}
