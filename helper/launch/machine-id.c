/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/machine-id.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/names.h"

/* SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): 64 bits of which nobody can tell the
 * key. The key is the host's id, which is secret, and the message the container's name, which is not. */

static uint64_t rotate(uint64_t x, unsigned bits) {
        return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[static 4]) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
}

static uint64_t siphash(const uint64_t key[static 2], const char *message, size_t size) {
        uint64_t v[4] = { key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                          key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573) };

        for (size_t at = 0; at <= size; at += 8) {
                uint64_t word = at + 8 > size ? (uint64_t) size << 56
                                              : 0; /* the last one holds the length */

                for (size_t i = at; i < size && i < at + 8; i++)
                        word |= (uint64_t) (unsigned char) message[i] << 8 * (i - at);
                v[3] ^= word;
                sip_round(v);
                sip_round(v);
                v[0] ^= word;
        }
        v[2] ^= 0xff;
        for (unsigned i = 0; i < 4; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* 32 lower-case hex digits, and at most a line break behind them. */
static int parse_host(const char *host, uint64_t ret[static 2]) {
        size_t n = strspn(host, "0123456789abcdef");

        if (n != 32 || (host[n] != '\0' && !streq(host + n, "\n")))
                return -EINVAL;
        return sscanf(host, "%16" SCNx64 "%16" SCNx64, &ret[0], &ret[1]) == 2 ? 0 : -EINVAL;
}

int machine_id_make(const char *host, const char *name, char ret[static MACHINE_ID_SIZE]) {
        char message[NAME_LENGTH_MAX + 32];
        uint64_t key[2], id[2];
        int r;

        assert(strlen(name) <= NAME_LENGTH_MAX);
        r = parse_host(host, key);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < ARRAY_LEN(id); i++)
                id[i] = siphash(key, message,
                                (size_t) snprintf(message, sizeof(message), "berth machine-id %u %s", i,
                                                  name));
        /* A UUID of version 4 and variant 1, as machine-id(5) has them. */
        id[0] = (id[0] & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
        id[1] = (id[1] & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
        snprintf(ret, MACHINE_ID_SIZE, "%016" PRIx64 "%016" PRIx64 "\n", id[0], id[1]);
        return 0;
}
