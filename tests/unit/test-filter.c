/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "helper/filter-programs.h"
#include "helper/filter/filter-calls.h"
#include "helper/filter/filter-check.h"
#include "helper/filter/filter-shorten.h"
#include "tests/unit/check.h"

#define NATIVE 7 /* an architecture, beside 3 */
#define ALLOW  SECCOMP_RET_ALLOW
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)
#define ABSENT (SECCOMP_RET_ERRNO | ENOSYS)

#define LOAD(word)      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4 * (word))
#define AND(k)          BPF_STMT(BPF_ALU | BPF_AND | BPF_K, k)
#define RETURN(k)       BPF_STMT(BPF_RET | BPF_K, k)
#define IF(op, k, t, f) BPF_JUMP(BPF_JMP | BPF_##op | BPF_K, k, t, f)
#define GO(k)           BPF_STMT(BPF_JMP | BPF_JA, k)
#define CODE(...)                                    \
        (const struct sock_filter[]){ __VA_ARGS__ }, \
                        sizeof((const struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter)

static void makes_the_shortest_of_what_it_understands(void **state _unused_) {
        const struct {
                const char *what;
                const struct sock_filter *old;
                size_t n_old;
                const struct sock_filter *new;
                size_t n_new;
        } rows[] = {
                { "what always returns the same",
                  CODE(LOAD(0), IF(JEQ, 1, 0, 1), RETURN(ALLOW), RETURN(ALLOW)), CODE(RETURN(ALLOW)) },
                { "neighbours are a range, what is behind it the rest",
                  CODE(LOAD(0), IF(JEQ, 5, 5, 0), IF(JEQ, 4, 4, 0), IF(JEQ, 7, 3, 0), IF(JEQ, 6, 2, 0),
                       IF(JEQ, 9, 0, 0), RETURN(ALLOW), RETURN(REFUSE)),
                  CODE(LOAD(0), IF(JGE, 4, 0, 2), IF(JGE, 8, 1, 0), RETURN(REFUSE), RETURN(ALLOW)) },
                { "a number alone is one comparison",
                  CODE(LOAD(0), IF(JGT, 9, 0, 2), IF(JGT, 10, 1, 0), RETURN(REFUSE), RETURN(ALLOW)),
                  CODE(LOAD(0), IF(JEQ, 10, 1, 0), RETURN(ALLOW), RETURN(REFUSE)) },
                { "bits of which each refuses",
                  CODE(LOAD(4), AND(4), IF(JEQ, 4, 3, 0), LOAD(4), AND(8), IF(JEQ, 8, 0, 1), RETURN(REFUSE),
                       RETURN(ALLOW)),
                  CODE(LOAD(4), IF(JSET, 12, 1, 0), RETURN(ALLOW), RETURN(REFUSE)) },
                { "bits that are one value",
                  CODE(LOAD(4), AND(6), IF(JEQ, 4, 2, 0), GO(0), RETURN(ALLOW), RETURN(REFUSE)),
                  CODE(LOAD(4), AND(6), IF(JEQ, 4, 0, 1), RETURN(REFUSE), RETURN(ALLOW)) },
                { "upper bits are a range, which neighbours join",
                  CODE(LOAD(4), AND(0xfffffffc), IF(JEQ, 8, 4, 0), LOAD(4), IF(JEQ, 12, 2, 0),
                       IF(JEQ, 7, 1, 0), RETURN(ALLOW), RETURN(REFUSE)),
                  CODE(LOAD(4), IF(JGE, 7, 0, 2), IF(JGE, 13, 1, 0), RETURN(REFUSE), RETURN(ALLOW)) },
                { "what a mask leaves nothing of is zero",
                  CODE(LOAD(5), AND(0), IF(JEQ, 0, 0, 1), RETURN(ALLOW), RETURN(REFUSE)),
                  CODE(RETURN(ALLOW)) },
                { "the own architecture is first, and nothing of the others is tried",
                  CODE(LOAD(1), IF(JEQ, 3, 0, 4), LOAD(0), IF(JEQ, 1, 5, 0), IF(JEQ, 2, 4, 0), RETURN(ALLOW),
                       IF(JEQ, NATIVE, 0, 3), LOAD(0), IF(JEQ, 6, 0, 2), RETURN(REFUSE), GO(0),
                       RETURN(ABSENT), RETURN(ALLOW), RETURN(REFUSE)),
                  CODE(LOAD(1), IF(JEQ, NATIVE, 7, 0), LOAD(2), LOAD(1), IF(JEQ, 3, 0, 6), LOAD(0),
                       IF(JGE, 1, 0, 1), IF(JGE, 3, 0, 4), RETURN(ALLOW), LOAD(0), IF(JEQ, 6, 1, 0),
                       RETURN(ABSENT), RETURN(REFUSE)) },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ struct sock_filter *new = NULL;
                size_t n = 0;

                ROW(i, rows[i].what, filter_shorten(rows[i].old, rows[i].n_old, NATIVE, &new, &n) == 0);
                ROW(i, rows[i].what, n == rows[i].n_new && memcmp(new, rows[i].new, n * sizeof(*new)) == 0);
        }
}

static void keeps_what_it_does_not_understand_or_cannot_shorten(void **state _unused_) {
        const struct {
                const char *what;
                int error;
                const struct sock_filter *code;
                size_t n;
        } rows[] = {
                { "the shortest", -ENOENT, CODE(LOAD(0), IF(JEQ, 1, 0, 1), RETURN(REFUSE), RETURN(ALLOW)) },
                { "nothing", -EOPNOTSUPP, CODE(RETURN(ALLOW)) },
                { "no end", -EOPNOTSUPP, CODE(LOAD(0), LOAD(0), AND(0), GO(0)) },
                { "a jump behind the end", -EOPNOTSUPP,
                  CODE(LOAD(0), IF(JEQ, 1, 2, 0), RETURN(ALLOW), GO(0)) },
                { "a far jump", -EOPNOTSUPP, CODE(GO(UINT32_MAX), RETURN(ALLOW), RETURN(ALLOW)) },
                { "half a word", -EOPNOTSUPP,
                  CODE(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RETURN(ALLOW), RETURN(ALLOW)) },
                { "a word behind the last", -EOPNOTSUPP, CODE(LOAD(16), RETURN(ALLOW), RETURN(ALLOW)) },
                { "a constant", -EOPNOTSUPP, CODE(BPF_STMT(BPF_LD | BPF_IMM, 1), RETURN(ALLOW)) },
                { "memory", -EOPNOTSUPP, CODE(LOAD(0), BPF_STMT(BPF_ST, 0), RETURN(ALLOW)) },
                { "another register", -EOPNOTSUPP,
                  CODE(LOAD(0), BPF_STMT(BPF_MISC | BPF_TAX, 0), RETURN(ALLOW)) },
                { "an addition", -EOPNOTSUPP,
                  CODE(LOAD(0), BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 0), RETURN(ALLOW)) },
                { "a register returned", -EOPNOTSUPP, CODE(LOAD(0), BPF_STMT(BPF_RET | BPF_A, 0)) },
                { "a register compared", -EOPNOTSUPP,
                  CODE(LOAD(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 0), RETURN(ALLOW)) },
                { "bits of the number", -EOPNOTSUPP,
                  CODE(LOAD(0), IF(JSET, 1, 0, 0), RETURN(ALLOW), RETURN(ALLOW)) },
                { "a part of the architecture", -EOPNOTSUPP,
                  CODE(LOAD(1), AND(255), IF(JEQ, 1, 0, 0), RETURN(ALLOW)) },
                { "an order of lower bits", -EOPNOTSUPP,
                  CODE(LOAD(4), AND(255), IF(JGE, 9, 0, 1), RETURN(REFUSE), RETURN(ALLOW)) },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct sock_filter *new = NULL;
                size_t n = streq(rows[i].what, "nothing") ? 0 : rows[i].n;

                ROW(i, rows[i].what, filter_shorten(rows[i].code, n, NATIVE, &new, &n) == rows[i].error);
                ROW(i, rows[i].what, !new);
        }
}

static void what_ships_is_shortened(void **state _unused_) {
        static const struct {
                const struct sock_filter *code;
                size_t n;
        } rows[] = {
                { filter_default, ARRAY_LEN(filter_default) },
                { filter_default_restrict, ARRAY_LEN(filter_default_restrict) },
                { filter_network, ARRAY_LEN(filter_network) },
                { filter_network_restrict, ARRAY_LEN(filter_network_restrict) },
                { filter_floor, ARRAY_LEN(filter_floor) },
                { filter_floor_restrict, ARRAY_LEN(filter_floor_restrict) },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct sock_filter *new;
                size_t n;

                /* what has been shortened is as short as it gets */
                assert_int_equal(filter_shorten(rows[i].code, rows[i].n, seccomp_arch_native(), &new, &n),
                                 -ENOENT);
        }
}

/* One that the program knows, or one close to it: calls that are likely to be told apart. */
static uint32_t draw(const struct sock_filter *code, size_t n, uint32_t *sequence) {
        *sequence = *sequence * 1664525 + 1013904223;
        return code[(*sequence >> 8) % n].k + (*sequence >> 30) - 1;
}

static void compare(const struct sock_filter *old, size_t n_old, const struct sock_filter *new,
                    size_t n_new) {
        const uint32_t architectures[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64,
                                           AUDIT_ARCH_ARM, 0 };
        uint32_t sequence = 1;

        for (size_t i = 0; i < ARRAY_LEN(architectures); i++)
                for (uint32_t number = 0; number < 700; number++)
                        for (int j = 0; j < 50; j++) {
                                const uint32_t more[] = { 0, 0x40000000, UINT32_MAX - 600 };
                                union {
                                        uint32_t words[FILTER_WORDS];
                                        struct seccomp_data data;
                                } call = { .words = { number + more[j % 3], architectures[i] } };
                                uint32_t a, b;

                                for (size_t k = 2; k < FILTER_WORDS && j > 2; k++)
                                        call.words[k] = k % 2 && j % 2 ? 0 : draw(old, n_old, &sequence);
                                assert_int_equal(filter_run(old, n_old, &call.data, &a), 0);
                                assert_int_equal(filter_run(new, n_new, &call.data, &b), 0);
                                assert_int_equal(a, b);
                        }
}

static scmp_filter_ctx begin(uint32_t default_action, uint32_t native, uint32_t second) {
        scmp_filter_ctx library = seccomp_init(default_action);

        assert_non_null(library);
        if (native != seccomp_arch_native()) {
                assert_int_equal(seccomp_arch_add(library, native), 0);
                assert_int_equal(seccomp_arch_remove(library, SCMP_ARCH_NATIVE), 0);
        }
        assert_int_equal(seccomp_arch_add(library, second), 0);
        assert_int_equal(seccomp_attr_set(library, SCMP_FLTATR_CTL_OPTIMIZE, 2), 0);
        return library;
}

/* Rules of every comparison, of more than one argument, and of numbers that are large. */
static void add_rules(scmp_filter_ctx library, uint32_t action) {
        static const struct {
                int number;
                unsigned n;
                struct scmp_arg_cmp args[2];
        } rules[] = {
                { SCMP_SYS(read), 2, { { 0, SCMP_CMP_EQ, 3, 0 }, { 2, SCMP_CMP_GT, 0x123456789, 0 } } },
                { SCMP_SYS(read), 1, { { 1, SCMP_CMP_LE, 77, 0 } } },
                { SCMP_SYS(write), 1, { { 2, SCMP_CMP_NE, 1, 0 } } },
                { SCMP_SYS(openat),
                  2,
                  { { 2, SCMP_CMP_MASKED_EQ, 3, 1 }, { 3, SCMP_CMP_MASKED_EQ, 04000, 04000 } } },
                { SCMP_SYS(openat),
                  1,
                  { { 1, SCMP_CMP_MASKED_EQ, 0xf0f0f0f000000000, 0x1010101000000000 } } },
                { SCMP_SYS(lseek), 1, { { 1, SCMP_CMP_GE, UINT64_C(1) << 63, 0 } } },
                { SCMP_SYS(lseek), 1, { { 1, SCMP_CMP_LT, 9, 0 } } },
        };

        for (int number = 60; number < 240; number += number % 7 + 1)
                (void) seccomp_rule_add(library, action, number,
                                        0); /* not each is there on each architecture */
        for (size_t i = 0; i < ARRAY_LEN(rules); i++)
                assert_int_equal(seccomp_rule_add_array(library, action, rules[i].number, rules[i].n,
                                                        rules[i].args),
                                 0);
}

static void decides_as_the_library_does(void **state _unused_) {
        static const struct {
                uint32_t native, second, default_action, action;
        } rows[] = {
                { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EACCES) },
                { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ACT_KILL_PROCESS, SCMP_ACT_ALLOW },
                { SCMP_ARCH_AARCH64, SCMP_ARCH_ARM, SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EACCES) },
                { SCMP_ARCH_AARCH64, SCMP_ARCH_ARM, SCMP_ACT_ERRNO(EPERM), SCMP_ACT_ALLOW },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                scmp_filter_ctx library = begin(rows[i].default_action, rows[i].native, rows[i].second);
                struct sock_filter code[BPF_MAXINSNS];
                _cleanup_free_ struct sock_filter *new = NULL;
                FILE *f = tmpfile();
                size_t n, n_new;

                add_rules(library, rows[i].action);
                assert_non_null(f);
                assert_int_equal(seccomp_export_bpf(library, fileno(f)), 0);
                rewind(f);
                n = fread(code, sizeof(*code), BPF_MAXINSNS, f);
                assert_int_equal(filter_shorten(code, n, rows[i].native, &new, &n_new), 0);
                assert_true(n_new < n);
                compare(code, n, new, n_new);
                fclose(f);
                seccomp_release(library);
        }
}

/* Any one thing that is wrong with a program. */
static void a_program_that_differs_is_not_taken(void **state _unused_) {
        const size_t n = ARRAY_LEN(filter_floor);
        _cleanup_decisions_ Decisions decisions = {};
        int decision = filter_decide(&decisions, filter_floor, n);
        struct sock_filter wrong[ARRAY_LEN(filter_floor)];

        assert_true(decision >= 0);
        assert_int_equal(filter_check(&decisions, decision, filter_floor, n, filter_floor, n), 0);
        for (size_t i = 0; i < 4 * n; i++) {
                struct sock_filter *one = &wrong[i / 4];
                int other;

                memcpy(wrong, filter_floor, sizeof(wrong));
                one->k += i % 4 == 0 ? 1 : i % 4 == 1 ? UINT32_MAX : 0;
                one->jt = (uint8_t) (one->jt + (i % 4 == 2));
                one->jf = (uint8_t) (one->jf + (i % 4 == 3));
                other = filter_decide(&decisions, wrong, n);
                assert_int_equal(filter_check(&decisions, decision, filter_floor, n, wrong, n),
                                 other == decision ? 0 : -EBADE);
        }
}

/* The kernel runs such a program for a packet, too, of which it leaves as many bytes as the program returns. Words of packets
 * are big-endian. */
static void runs_as_the_kernel_does(void **state _unused_) {
        struct sock_filter code[] = {
                LOAD(1),
                IF(JEQ, 3, 0, 4),
                LOAD(0),
                IF(JGE, 5, 0, 1),
                RETURN(1),
                RETURN(2),
                IF(JGT, 3, 0, 3),
                LOAD(4),
                IF(JSET, 0x80000004, 0, 3),
                RETURN(3),
                GO(1),
                RETURN(4),
                LOAD(4),
                AND(6),
                IF(JEQ, 6, 0, 1),
                RETURN(5),
                RETURN(6),
        };
        const struct sock_fprog program = { ARRAY_LEN(code), code };
        const uint32_t values[] = { 0, 1, 2, 3, 4, 5, 6, 7, 0x7fffffff, 0x80000000, UINT32_MAX };
        const size_t n = ARRAY_LEN(values);
        uint32_t seen = 0;
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
        for (size_t i = 0; i < n * n * n; i++) {
                const uint32_t words[FILTER_WORDS] = { values[i % n], values[i / n % n], 0, 0,
                                                       values[i / n / n] };
                uint32_t packet[FILTER_WORDS] = { htonl(words[0]), htonl(words[1]), 0, 0, htonl(words[4]) };
                struct seccomp_data call;
                uint32_t found;

                memcpy(&call, words, sizeof(call));
                assert_int_equal(filter_run(code, ARRAY_LEN(code), &call, &found), 0);
                assert_int_equal(send(pair[0], packet, sizeof(packet), 0), sizeof(packet));
                assert_int_equal(recv(pair[1], packet, sizeof(packet), 0), found);
                seen |= 1U << found;
        }
        assert_int_equal(seen, 1U << 1 | 1U << 2 | 1U << 3 | 1U << 5 | 1U << 6);
        close(pair[0]);
        close(pair[1]);
}

RUN(TEST(makes_the_shortest_of_what_it_understands),
    TEST(keeps_what_it_does_not_understand_or_cannot_shorten), TEST(what_ships_is_shortened),
    TEST(decides_as_the_library_does), TEST(a_program_that_differs_is_not_taken),
    TEST(runs_as_the_kernel_does))
