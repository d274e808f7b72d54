/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/filter/filter-check.h"

#define NUMBERS 1024 /* beyond all that the kernel has */
#define VALUES  6
#define RUNS    (1024 * 1024) /* with arguments, of each program: some 40 ms */

int filter_run(const struct sock_filter *code, size_t n, const struct seccomp_data *call, uint32_t *ret) {
        uint32_t accumulator = 0;

        for (size_t at = 0; at < n; at++) {
                const uint32_t k = code[at].k;
                bool jumps;

                switch (code[at].code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        if (k % sizeof(accumulator) != 0 || k >= sizeof(*call))
                                return -EOPNOTSUPP;
                        memcpy(&accumulator, (const uint8_t *) call + k, sizeof(accumulator));
                        continue;
                case BPF_ALU | BPF_AND | BPF_K:
                        accumulator &= k;
                        continue;
                case BPF_RET | BPF_K:
                        *ret = k;
                        return 0;
                case BPF_JMP | BPF_JA:
                        if (k >= n)
                                return -EOPNOTSUPP;
                        at += k;
                        continue;
                case BPF_JMP | BPF_JEQ | BPF_K:
                        jumps = accumulator == k;
                        break;
                case BPF_JMP | BPF_JGT | BPF_K:
                        jumps = accumulator > k;
                        break;
                case BPF_JMP | BPF_JGE | BPF_K:
                        jumps = accumulator >= k;
                        break;
                case BPF_JMP | BPF_JSET | BPF_K:
                        jumps = (accumulator & k) != 0;
                        break;
                default:
                        return -EOPNOTSUPP;
                }
                at += jumps ? code[at].jt : code[at].jf;
        }
        return -EOPNOTSUPP;
}

typedef struct Pair {
        const Decisions *decisions; /* that both should make */
        const struct sock_filter *old, *new;
        size_t n_old, n_new;
        uint32_t words;   /* a bit for each that is compared, other than the number and the architecture */
        uint32_t *values; /* around those that they are compared with */
        size_t n_values;
        size_t stride; /* of so many a value is taken, from another one on for each number */
} Pair;

typedef union Call {
        struct seccomp_data data;
        uint32_t words[FILTER_WORDS];
} Call;

static int check_call(const Pair *pair, const Call *call) {
        uint32_t old, new;

        return filter_run(pair->old, pair->n_old, &call->data, &old) == 0 &&
                                               filter_run(pair->new, pair->n_new, &call->data, &new) == 0 &&
                                               old == new
                               ? 0
                               : -EBADE;
}

/* The word has each value, while the others are zero, and what a sequence draws from the values. */
static int check_word(const Pair *pair, Call call, unsigned word) {
        uint32_t sequence = 1;
        int r = 0;

        for (size_t i = call.words[WORD_NUMBER] % pair->stride; r >= 0 && i < 2 * pair->n_values;
             i += pair->stride) {
                for (unsigned j = WORD_FIRST_OTHER; j < FILTER_WORDS; j++) {
                        sequence = sequence * 1664525 + 1013904223;
                        call.words[j] = i % 2 ? pair->values[(sequence >> 8) % pair->n_values] : 0;
                }
                call.words[word] = pair->values[i / 2];
                r = check_call(pair, &call);
        }
        return r;
}

static int check_arguments(const Pair *pair, uint32_t number, uint32_t architecture) {
        const Call call = { .words = { number, architecture } };
        int r = check_call(pair, &call);

        for (unsigned word = 0; r >= 0 && word < FILTER_WORDS; word++)
                if (pair->words & UINT32_C(1) << word)
                        r = check_word(pair, call, word);
        return r;
}

/* What the decision says of a word: its ranges, or one that is all. */
static const Range *ranges_of(const Decisions *decisions, const Range *whole, unsigned word, size_t *ret_n) {
        const Decision *decision = &decisions->list[whole->decision];

        if (decision->kind != DECISION_RANGES || decision->word != word) {
                *ret_n = 1;
                return whole;
        }
        *ret_n = decision->n_ranges;
        return decision->ranges;
}

static int check_numbers(const Pair *pair, uint32_t architecture, int decision) {
        const Range whole = { 0, decision }, *ranges;
        size_t n;
        int r = 0;

        for (uint32_t number = 0; r >= 0 && number < NUMBERS; number++)
                r = check_call(pair, &(Call){ .words = { number, architecture } });
        ranges = ranges_of(pair->decisions, &whole, WORD_NUMBER, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                uint32_t last = i + 1 < n ? ranges[i + 1].first - 1 : UINT32_MAX;

                r = check_arguments(pair, ranges[i].first, architecture);
                if (r >= 0 && last != ranges[i].first)
                        r = check_arguments(pair, last, architecture);
        }
        return r;
}

static int compare(const void *a, const void *b) {
        const uint32_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

/* Below is what a mask lets through that stands before the comparison, else 0. */
static void put_values(Pair *pair, uint32_t k, uint32_t below) {
        const uint32_t values[VALUES] = { k - 1, k, k + 1, ~k, k | below, (k | below) + 1 };

        memcpy(&pair->values[pair->n_values], values, sizeof(values));
        pair->n_values += VALUES;
}

/* What each instruction may find loaded, a bit for each word: jumps go forward alone, so that one look is enough. */
static void find_loaded(const struct sock_filter *code, size_t n, uint32_t *loaded) {
        loaded[0] = 1U << WORD_NUMBER;
        for (size_t i = 0; i < n; i++) {
                uint32_t bits = loaded[i];
                size_t to[2] = { i + 1 + code[i].jt, i + 1 + code[i].jf };

                if (BPF_CLASS(code[i].code) == BPF_RET)
                        continue;
                if (code[i].code == (BPF_JMP | BPF_JA))
                        to[0] = to[1] = i + 1 + MIN(code[i].k, n);
                if (BPF_CLASS(code[i].code) == BPF_LD && code[i].k < sizeof(struct seccomp_data))
                        bits = 1U << code[i].k / sizeof(uint32_t);
                for (size_t j = 0; j < ARRAY_LEN(to); j++)
                        if (to[j] < n)
                                loaded[to[j]] |= bits;
        }
}

static int find_values(Pair *pair) {
        _cleanup_free_ uint32_t *loaded = calloc(pair->n_old, sizeof(*loaded));
        size_t n = 0;

        pair->values = calloc(VALUES * (pair->n_old + 32), sizeof(*pair->values));
        if (!loaded || !pair->values)
                return -ENOMEM;
        find_loaded(pair->old, pair->n_old, loaded);
        put_values(pair, 0, 0);
        for (unsigned bit = 0; bit < 32; bit++)
                pair->values[pair->n_values++] = UINT32_C(1) << bit;
        for (size_t i = 0; i < pair->n_old; i++) {
                const unsigned class = BPF_CLASS(pair->old[i].code);
                const uint32_t others = loaded[i] & ~(1U << WORD_NUMBER | 1U << WORD_ARCHITECTURE);

                if (others == 0 || (class != BPF_JMP && class != BPF_ALU))
                        continue;
                pair->words |= others;
                put_values(pair, pair->old[i].k,
                           i > 0 && BPF_CLASS(pair->old[i - 1].code) == BPF_ALU ? ~pair->old[i - 1].k : 0);
        }
        qsort(pair->values, pair->n_values, sizeof(*pair->values), compare);
        for (size_t i = 0; i < pair->n_values; i++)
                if (i == 0 || pair->values[i] != pair->values[i - 1])
                        pair->values[n++] = pair->values[i];
        pair->n_values = n;
        return 0;
}

int filter_check(const Decisions *decisions, int decision, const struct sock_filter *old, size_t n_old,
                 const struct sock_filter *new, size_t n_new) {
        Pair pair = { .decisions = decisions, .old = old, .n_old = n_old, .new = new, .n_new = n_new };
        const Range whole = { 0, decision }, *ranges;
        size_t n, n_numbers, n_ends = 0;
        int r = find_values(&pair);

        ranges = ranges_of(decisions, &whole, WORD_ARCHITECTURE, &n);
        for (size_t i = 0; i < n; i++) {
                (void) ranges_of(decisions, &ranges[i], WORD_NUMBER, &n_numbers);
                n_ends += 4 * n_numbers;
        }
        pair.stride = 1 + n_ends * (size_t) __builtin_popcount(pair.words) * 2 * pair.n_values / RUNS;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = check_numbers(&pair, ranges[i].first, ranges[i].decision);
                if (r >= 0 && i + 1 < n && ranges[i + 1].first - 1 != ranges[i].first)
                        r = check_numbers(&pair, ranges[i + 1].first - 1, ranges[i].decision);
        }
        free(pair.values);
        return r;
}
