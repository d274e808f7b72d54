/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever program of a filter is made shorter returns the same for every call, and cannot be made shorter once more. Four bytes
 * are an instruction: what it does, where it jumps to, and what it loads or compares with. */

#include "common/base.h"
#include "helper/filter/filter-check.h"
#include "helper/filter/filter-shorten.h"
#include "tests/fuzz/fuzz.h"

#define INSTRUCTIONS_MAX 600
#define NATIVE           3
#define CALLS            2000

static const uint32_t values[] = { 0,  1,    2,          3,          4,          5,          7,         8,
                                   16, 0xf0, 0x80000000, 0xfffffff0, 0xfffffffe, UINT32_MAX, 0x7fffffff };

static struct sock_filter make_instruction(const uint8_t *bytes) {
        static const uint16_t jumps[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
        const uint32_t value = values[bytes[3] % ARRAY_LEN(values)];

        switch (bytes[0] % 16) {
        case 0:
                return (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, bytes[3] % 4);
        case 1:
                return (struct sock_filter) BPF_STMT(BPF_JMP | BPF_JA, bytes[3] % 8);
        case 2:
        case 3:
                return (struct sock_filter) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, value);
        case 4:
        case 5:
        case 6:
                return (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, bytes[3] % 64);
        case 7:
                return (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, bytes[3] % 6 * 4);
        default:
                return (struct sock_filter) BPF_JUMP(BPF_JMP | jumps[bytes[0] % 4] | BPF_K, value, bytes[1],
                                                     bytes[2]);
        }
}

static void compare(const struct sock_filter *old, size_t n_old, const struct sock_filter *new,
                    size_t n_new) {
        uint32_t sequence = 1;

        for (size_t i = 0; i < CALLS; i++) {
                union {
                        uint32_t words[FILTER_WORDS];
                        struct seccomp_data data;
                } call;
                uint32_t a, b;

                for (size_t j = 0; j < FILTER_WORDS; j++) {
                        sequence = sequence * 1664525 + 1013904223;
                        call.words[j] = values[(sequence >> 8) % ARRAY_LEN(values)] + (sequence >> 29) % 3 -
                                        1;
                }
                assert(filter_run(old, n_old, &call.data, &a) == 0);
                assert(filter_run(new, n_new, &call.data, &b) == 0);
                assert(a == b);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct sock_filter code[INSTRUCTIONS_MAX + 1];
        _cleanup_free_ struct sock_filter *shorter = NULL;
        size_t n = 0, n_shorter = 0, n_again;
        struct sock_filter *again;
        int r;

        for (; size >= 4 && n < INSTRUCTIONS_MAX; size -= 4, data += 4)
                code[n++] = make_instruction(data);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, 0);
        r = filter_shorten(code, n, NATIVE, &shorter, &n_shorter);
        assert(r == 0 || r == -EOPNOTSUPP || r == -E2BIG || r == -ENOENT);
        if (r < 0)
                return 0;
        assert(n_shorter < n);
        compare(code, n, shorter, n_shorter);
        assert(filter_shorten(shorter, n_shorter, NATIVE, &again, &n_again) == -ENOENT);
        return 0;
}
