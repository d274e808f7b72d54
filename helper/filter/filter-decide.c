/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/filter/filter-decide.h"

#define DECISIONS_MAX 4096
#define STEPS_MAX \
        (16 * 1024 * 1024) /* a tenth of a second; what engines ship takes less than a hundred thousand */
#define DEPTH_MAX BPF_MAXINSNS /* of tests of arguments, one behind the other */

void decisions_done(Decisions *decisions) {
        for (size_t i = 0; i < decisions->n; i++)
                free(decisions->list[i].ranges);
        free(decisions->list);
        *decisions = (Decisions){};
}

static bool is_same(const Decision *a, const Decision *b) {
        if (a->kind != b->kind || a->word != b->word || a->mask != b->mask || a->value != b->value ||
            a->n_ranges != b->n_ranges)
                return false;
        for (size_t i = 0; i < a->n_ranges; i++)
                if (a->ranges[i].first != b->ranges[i].first ||
                    a->ranges[i].decision != b->ranges[i].decision)
                        return false;
        return true;
}

/* Takes the ranges. */
static int add(Decisions *decisions, Decision new) {
        Decision *list;

        for (size_t i = 0; i < decisions->n; i++)
                if (is_same(&decisions->list[i], &new)) {
                        free(new.ranges);
                        return (int) i;
                }
        list = decisions->n < DECISIONS_MAX
                               ? reallocarray(decisions->list, decisions->n + 1, sizeof(Decision))
                               : NULL;
        if (!list) {
                free(new.ranges);
                return decisions->n < DECISIONS_MAX ? -ENOMEM : -E2BIG;
        }
        decisions->list = list;
        list[decisions->n] = new;
        return (int) decisions->n++;
}

/* A list of ranges while it is made, from the lowest number to the highest. */
typedef struct Ranges {
        Range *list;
        size_t n;
} Ranges;

static void ranges_done(Ranges *ranges) {
        free(ranges->list);
}
#define _cleanup_ranges_ _cleanup_(ranges_done)

static int put(Ranges *ranges, uint32_t first, int decision) {
        Range *list;

        if (ranges->n > 0 && ranges->list[ranges->n - 1].decision == decision)
                return 0;
        list = reallocarray(ranges->list, ranges->n + 1, sizeof(Range));
        if (!list)
                return -ENOMEM;
        ranges->list = list;
        list[ranges->n++] = (Range){ first, decision };
        return 0;
}

/* From first to last is decided what `decision` says; if that looks at the same word, then what it says there. */
static int put_all(const Decisions *decisions, unsigned word, Ranges *ranges, uint32_t first, uint32_t last,
                   int decision) {
        const Decision *inner = &decisions->list[decision];
        int r = 0;

        if (inner->kind != DECISION_RANGES || inner->word != word)
                return put(ranges, first, decision);
        for (size_t i = 0; r >= 0 && i < inner->n_ranges; i++) {
                uint32_t from = MAX(first, inner->ranges[i].first);
                uint32_t to = i + 1 < inner->n_ranges ? inner->ranges[i + 1].first - 1 : UINT32_MAX;

                if (from <= MIN(to, last))
                        r = put(ranges, from, inner->ranges[i].decision);
        }
        return r;
}

static int add_ranges(Decisions *decisions, unsigned word, Ranges *ranges) {
        Range *list = TAKE_PTR(ranges->list);
        int only = list[0].decision;

        if (ranges->n > 1)
                return add(decisions, (Decision){ .kind = DECISION_RANGES,
                                                  .word = word,
                                                  .ranges = list,
                                                  .n_ranges = ranges->n });
        free(list);
        return only;
}

/* `yes` from first to last, else `no`. */
static int add_range(Decisions *decisions, unsigned word, uint32_t first, uint32_t last, int yes, int no) {
        _cleanup_ranges_ Ranges ranges = {};
        int r = 0;

        if (first > 0)
                r = put_all(decisions, word, &ranges, 0, first - 1, no);
        if (r >= 0)
                r = put_all(decisions, word, &ranges, first, last, yes);
        if (r >= 0 && last < UINT32_MAX)
                r = put_all(decisions, word, &ranges, last + 1, UINT32_MAX, no);
        return r < 0 ? r : add_ranges(decisions, word, &ranges);
}

static int add_masked(Decisions *decisions, unsigned word, uint32_t mask, uint32_t value, int yes, int no) {
        const Decision *other;
        Range *ranges;

        if (value & ~mask)
                return no;
        if (value == mask && (mask & (mask - 1)) == 0) /* one bit, which is or is not */
                return add_masked(decisions, word, mask, 0, no, yes);
        other = &decisions->list[yes];
        /* none of some bits, and then none of others: none of them all */
        if (value == 0 && other->kind == DECISION_MASKED && other->word == word && other->value == 0 &&
            other->ranges[0].decision == no)
                return add_masked(decisions, word, mask | other->mask, 0, other->ranges[1].decision, no);
        ranges = malloc(2 * sizeof(Range));
        if (!ranges)
                return -ENOMEM;
        ranges[0] = (Range){ 0, no };
        ranges[1] = (Range){ 0, yes };
        return add(decisions, (Decision){ .kind = DECISION_MASKED,
                                          .word = word,
                                          .mask = mask,
                                          .value = value,
                                          .ranges = ranges,
                                          .n_ranges = 2 });
}

/* What a comparison of (word & mask) with k decides. With a mask of all bits above some, it is one of ranges. */
static int add_test(Decisions *decisions, unsigned op, unsigned word, uint32_t mask, uint32_t k, int yes,
                    int no) {
        const uint32_t below = ~mask;

        if (yes == no)
                return yes;
        if (op == BPF_JSET)
                return (mask & k) == 0 ? no : add_masked(decisions, word, mask & k, 0, no, yes);
        if (below & (below + 1))
                return op == BPF_JEQ ? add_masked(decisions, word, mask, k, yes, no) : -EOPNOTSUPP;
        if (op == BPF_JEQ)
                return k & below ? no : add_range(decisions, word, k, k | below, yes, no);
        if (op == BPF_JGT && k++ == UINT32_MAX)
                return no;
        if ((k & below) && (k | below) == UINT32_MAX)
                return no;
        return add_range(decisions, word, k & below ? (k | below) + 1 : k, UINT32_MAX, yes, no);
}

typedef struct Memory { /* what was decided from an instruction on, with this in the accumulator */
        uint64_t walk;
        unsigned word;
        uint32_t mask;
        int decision;
} Memory;

/* One way through the program, for a number and an architecture. */
typedef struct Walk {
        Decisions *decisions;
        const struct sock_filter *code;
        size_t n, steps, depth;
        uint64_t number;     /* of the walk */
        uint32_t is[2];      /* WORD_NUMBER and WORD_ARCHITECTURE */
        uint32_t goes_to[2]; /* all values from there up to here go the same way */
        Memory *memory;      /* one for each instruction */
} Walk;

/* Does the jump go to jt, for a value that is known? Those above it that do not go there, too, end the range. */
static bool jumps(Walk *walk, unsigned op, unsigned word, uint32_t k) {
        const uint32_t is = walk->is[word];
        uint32_t to = UINT32_MAX;
        bool yes;

        switch (op) {
        case BPF_JEQ:
                yes = is == k;
                to = yes ? k : is < k ? k - 1 : to;
                break;
        case BPF_JGT:
                yes = is > k;
                to = yes ? to : k;
                break;
        default:
                assert(op == BPF_JGE);
                yes = is >= k;
                to = yes ? to : k - 1;
        }
        walk->goes_to[word] = MIN(walk->goes_to[word], to);
        return yes;
}

static int walk_on(Walk *walk, size_t at, unsigned word, uint32_t mask);

/* A test of what is not known: both ways are gone. */
static int walk_both(Walk *walk, size_t at, unsigned word, uint32_t mask) {
        const struct sock_filter *instruction = &walk->code[at];
        Memory *memory = &walk->memory[at];
        int yes, no = 0, r;

        if (memory->walk == walk->number && memory->word == word && memory->mask == mask)
                return memory->decision;
        if (++walk->depth > DEPTH_MAX)
                return -E2BIG;
        yes = walk_on(walk, at + 1 + instruction->jt, word, mask);
        if (yes >= 0)
                no = walk_on(walk, at + 1 + instruction->jf, word, mask);
        walk->depth--;
        if (yes < 0 || no < 0)
                return MIN(yes, no);
        r = add_test(walk->decisions, BPF_OP(instruction->code), word, mask, instruction->k, yes, no);
        *memory = (Memory){ walk->number, word, mask, r };
        return r;
}

/* From instruction `at` on, with (word & mask) in the accumulator. */
static int walk_on(Walk *walk, size_t at, unsigned word, uint32_t mask) {
        for (; at < walk->n; at++) {
                const struct sock_filter *instruction = &walk->code[at];
                const uint32_t k = instruction->k;
                unsigned op;

                if (++walk->steps > STEPS_MAX)
                        return -E2BIG;
                switch (instruction->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        if (k % sizeof(uint32_t) != 0 || k >= sizeof(struct seccomp_data))
                                return -EOPNOTSUPP;
                        word = k / sizeof(uint32_t);
                        mask = UINT32_MAX;
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        mask &= k;
                        break;
                case BPF_RET | BPF_K:
                        return add(walk->decisions, (Decision){ .kind = DECISION_RETURN, .value = k });
                case BPF_JMP | BPF_JA:
                        if (k >= walk->n)
                                return -EOPNOTSUPP;
                        at += k;
                        break;
                case BPF_JMP | BPF_JEQ | BPF_K:
                case BPF_JMP | BPF_JGT | BPF_K:
                case BPF_JMP | BPF_JGE | BPF_K:
                case BPF_JMP | BPF_JSET | BPF_K:
                        op = BPF_OP(instruction->code);
                        if (word >= WORD_FIRST_OTHER && mask != 0)
                                return walk_both(walk, at, word, mask);
                        if (mask == 0) /* zero is what is in the accumulator */
                                at += (op == BPF_JEQ || op == BPF_JGE) && k == 0 ? instruction->jt
                                                                                 : instruction->jf;
                        else if (mask != UINT32_MAX || op == BPF_JSET)
                                return -EOPNOTSUPP; /* no range of numbers */
                        else
                                at += jumps(walk, op, word, k) ? instruction->jt : instruction->jf;
                        break;
                default:
                        return -EOPNOTSUPP;
                }
        }
        return -EOPNOTSUPP; /* it has no end */
}

/* For one architecture, and those above it that go the same ways. */
static int walk_numbers(Walk *walk) {
        _cleanup_ranges_ Ranges ranges = {};
        int r;

        walk->is[WORD_NUMBER] = 0;
        do {
                walk->goes_to[WORD_NUMBER] = UINT32_MAX;
                walk->number++;
                r = walk_on(walk, 0, WORD_NUMBER, 0);
                if (r >= 0)
                        r = put(&ranges, walk->is[WORD_NUMBER], r);
                if (r < 0)
                        return r;
                walk->is[WORD_NUMBER] = walk->goes_to[WORD_NUMBER] + 1;
        } while (walk->is[WORD_NUMBER] != 0);
        return add_ranges(walk->decisions, WORD_NUMBER, &ranges);
}

int filter_decide(Decisions *decisions, const struct sock_filter *code, size_t n) {
        _cleanup_free_ Memory *memory = calloc(n, sizeof(Memory));
        Walk walk = { .decisions = decisions, .code = code, .n = n, .memory = memory };
        _cleanup_ranges_ Ranges ranges = {};
        int r;

        if (!memory)
                return n == 0 ? -EOPNOTSUPP : -ENOMEM;
        do {
                walk.goes_to[WORD_ARCHITECTURE] = UINT32_MAX;
                r = walk_numbers(&walk);
                if (r >= 0)
                        r = put(&ranges, walk.is[WORD_ARCHITECTURE], r);
                if (r < 0)
                        return r;
                walk.is[WORD_ARCHITECTURE] = walk.goes_to[WORD_ARCHITECTURE] + 1;
        } while (walk.is[WORD_ARCHITECTURE] != 0);
        return add_ranges(decisions, WORD_ARCHITECTURE, &ranges);
}
