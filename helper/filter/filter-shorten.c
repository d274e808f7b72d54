/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/filter/filter-shorten.h"

#include "helper/filter/filter-check.h"
#include "helper/filter/filter-decide.h"

#define NUMBERS    512 /* that the kernel tries, or some more */
#define JUMP_MAX   255 /* what struct sock_filter holds */
#define RANGES_MAX 256 /* for which the best tree is looked for: it takes the cube of them */

/* What an instruction takes that the kernel translates, if a step of its trial of one number takes 1 (decision 0038); and where
 * it tries nothing, so that a step of the translated program counts for little. */
#define INSTRUCTION       60
#define INSTRUCTION_ALONE 1000

/* Jumps go forward alone: what is jumped to is written first, and the program from its end. A position is the number of
 * instructions behind it, and the last that was written is at n - 1. */
typedef struct Writer {
        const Decisions *decisions;
        struct sock_filter *code; /* BPF_MAXINSNS of them, the last one first */
        size_t n;
        ssize_t *places; /* of each decision; -1: not written yet */
} Writer;

static ssize_t write_one(Writer *writer, uint16_t code, size_t jt, size_t jf, uint32_t k) {
        if (writer->n == BPF_MAXINSNS)
                return -E2BIG;
        assert(jt <= JUMP_MAX && jf <= JUMP_MAX);
        writer->code[writer->n] = (struct sock_filter){ code, (uint8_t) jt, (uint8_t) jf, k };
        return (ssize_t) writer->n++;
}

/* How far it is there from behind the instruction that is written next. */
static size_t distance(const Writer *writer, ssize_t place) {
        return writer->n - 1 - (size_t) place;
}

static ssize_t write_goto(Writer *writer, ssize_t place) {
        return write_one(writer, BPF_JMP | BPF_JA, 0, 0, (uint32_t) distance(writer, place));
}

static ssize_t write_jump(Writer *writer, unsigned op, uint32_t k, ssize_t yes, ssize_t no) {
        if (distance(writer, yes) >= JUMP_MAX) /* one is left, for a jump that no may take */
                yes = write_goto(writer, yes);
        if (yes >= 0 && distance(writer, no) > JUMP_MAX)
                no = write_goto(writer, no);
        if (yes < 0 || no < 0)
                return MIN(yes, no);
        return write_one(writer, (uint16_t) (BPF_JMP | op | BPF_K), distance(writer, yes),
                         distance(writer, no), k);
}

static ssize_t write_load(Writer *writer, unsigned word) {
        return write_one(writer, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t) (word * sizeof(uint32_t)));
}

static ssize_t write_decision(Writer *writer, int decision);

static bool is_leaf(const Writer *writer, const Range *range) {
        return writer->decisions->list[range->decision].kind == DECISION_RETURN;
}

/* A tree of comparisons over some ranges. */
typedef struct Tree {
        const Range *ranges;
        size_t n;
        uint32_t *before;     /* how often the numbers before each range are tried, and before the end */
        uint32_t instruction; /* what one costs */
        struct Best {
                uint32_t cost;
                uint32_t split; /* the range that begins the upper half; 0: the second is one number, looked at first */
        } * best;               /* n * n, from a range to another */
} Tree;

static void tree_done(Tree *tree) {
        free(tree->before);
        free(tree->best);
}

static struct Best *best_of(const Tree *tree, size_t from, size_t to) {
        return &tree->best[from * tree->n + to];
}

/* Is the range behind this one a single number, with the same before and behind it? One comparison parts it from both. */
static bool is_hole(const Range *ranges, size_t from, size_t to) {
        const Range *range = &ranges[from];

        return from + 2 <= to && range[0].decision == range[2].decision &&
               range[2].first - range[1].first == 1;
}

/* Two returns are two jumps, of which none falls through: the kernel makes two instructions of it. */
static uint32_t cost_of(const Tree *tree, size_t from, size_t to, uint32_t below, bool leaves) {
        return below + tree->before[to + 1] - tree->before[from] + (leaves ? 2 : 1) * tree->instruction;
}

static void find_best(const Tree *tree, size_t from, size_t to) {
        struct Best best = { UINT32_MAX, 0 };

        for (size_t split = from + 1; split <= to; split++) {
                uint32_t cost = cost_of(tree, from, to,
                                        best_of(tree, from, split - 1)->cost +
                                                        best_of(tree, split, to)->cost,
                                        from + 1 == to);

                if (cost < best.cost)
                        best = (struct Best){ cost, (uint32_t) split };
        }
        if (is_hole(tree->ranges, from, to)) {
                uint32_t cost = cost_of(tree, from, to, best_of(tree, from + 2, to)->cost, from + 2 == to);

                if (cost < best.cost)
                        best = (struct Best){ cost, 0 };
        }
        *best_of(tree, from, to) = best;
}

static int plan_tree(Tree *tree, const Range *ranges, size_t n, bool tried) {
        *tree = (Tree){ .ranges = ranges, .n = n, .instruction = tried ? INSTRUCTION : INSTRUCTION_ALONE };
        tree->before = calloc(n + 1, sizeof(*tree->before));
        tree->best = calloc(n * n, sizeof(*tree->best));
        if (!tree->before || !tree->best)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                uint32_t end = i + 1 < n ? MIN(ranges[i + 1].first, (uint32_t) NUMBERS) : NUMBERS;

                tree->before[i + 1] = tree->before[i] + (tried ? end - MIN(ranges[i].first, end) : 1);
        }
        for (size_t length = 1; length < n; length++)
                for (size_t from = 0; from + length < n; from++)
                        find_best(tree, from, from + length);
        return 0;
}

static ssize_t write_tree(Writer *writer, const Tree *tree, size_t from, size_t to) {
        const Range *range = &tree->ranges[from];
        size_t split = from == to ? 0 : best_of(tree, from, to)->split;
        ssize_t yes, no;

        if (from == to)
                return write_decision(writer, range->decision);
        yes = split > 0 ? write_tree(writer, tree, split, to) : write_decision(writer, range[1].decision);
        if (yes < 0)
                return yes;
        no = split > 0 ? write_tree(writer, tree, from, split - 1) : write_tree(writer, tree, from + 2, to);
        if (no < 0)
                return no;
        return split > 0 ? write_jump(writer, BPF_JGE, tree->ranges[split].first, yes, no)
                         : write_jump(writer, BPF_JEQ, range[1].first, yes, no);
}

/* Halves of more ranges than the best tree is looked for. */
static ssize_t write_part(Writer *writer, const Range *ranges, size_t n, bool tried) {
        _cleanup_(tree_done) Tree tree = {};
        ssize_t yes, no;
        int r;

        if (n <= RANGES_MAX) {
                r = plan_tree(&tree, ranges, n, tried);
                return r < 0 ? r : write_tree(writer, &tree, 0, n - 1);
        }
        yes = write_part(writer, ranges + n / 2, n - n / 2, tried);
        no = yes < 0 ? yes : write_part(writer, ranges, n / 2, tried);
        return no < 0 ? no : write_jump(writer, BPF_JGE, ranges[n / 2].first, yes, no);
}

static ssize_t write_ranges(Writer *writer, const Decision *decision, bool tried) {
        ssize_t r;

        /* what is behind the tree, so that its own jumps are short */
        for (size_t i = decision->n_ranges; i-- > 0;)
                if (!is_leaf(writer, &decision->ranges[i])) {
                        r = write_decision(writer, decision->ranges[i].decision);
                        if (r < 0)
                                return r;
                }
        r = write_part(writer, decision->ranges, decision->n_ranges, tried);
        return r < 0 ? r : write_load(writer, decision->word);
}

static ssize_t write_masked(Writer *writer, const Decision *decision) {
        ssize_t no = write_decision(writer, decision->ranges[0].decision),
                yes = no < 0 ? no : write_decision(writer, decision->ranges[1].decision);

        if (yes < 0)
                return yes;
        if (decision->value == 0) {
                no = write_jump(writer, BPF_JSET, decision->mask, no, yes);
        } else {
                no = write_jump(writer, BPF_JEQ, decision->value, yes, no);
                if (no >= 0)
                        no = write_one(writer, BPF_ALU | BPF_AND | BPF_K, 0, 0, decision->mask);
        }
        return no < 0 ? no : write_load(writer, decision->word);
}

/* Where it stands, near enough for a jump or not. What returns is written once more rather than jumped to twice. */
static ssize_t write_decision(Writer *writer, int index) {
        const Decision *decision = &writer->decisions->list[index];
        ssize_t *place = &writer->places[index];

        switch (decision->kind) {
        case DECISION_RETURN:
                if (*place < 0 || distance(writer, *place) >= JUMP_MAX)
                        *place = write_one(writer, BPF_RET | BPF_K, 0, 0, decision->value);
                break;
        case DECISION_RANGES:
                if (*place < 0)
                        *place = write_ranges(writer, decision, false);
                break;
        case DECISION_MASKED:
                if (*place < 0)
                        *place = write_masked(writer, decision);
                break;
        }
        return *place;
}

/* The machine's own architecture is asked for first. The kernel tries the numbers of the 32-bit one beside it as well, and ends
 * a trial at the first load of anything else: so begins what is for others, whose programs are rare (decision 0038). */
static ssize_t write_architectures(Writer *writer, const Decision *decision, size_t native) {
        _cleanup_free_ Range *others = calloc(decision->n_ranges, sizeof(Range));
        const int own = decision->ranges[native].decision;
        const Decision *numbers = &writer->decisions->list[own];
        size_t n = 0;
        ssize_t place, rest;

        if (!others)
                return -ENOMEM;
        for (size_t i = 0; i < decision->n_ranges; i++)
                if (i != native && i != native + 1)
                        others[n++] = decision->ranges[i];
        place = numbers->kind == DECISION_RANGES && numbers->word == WORD_NUMBER
                                ? write_ranges(writer, numbers, true)
                                : write_decision(writer, own);
        rest = place < 0 ? place : write_part(writer, others, n, false);
        if (rest >= 0 && n > 1)
                rest = write_load(writer, WORD_ARCHITECTURE);
        if (rest >= 0 && n > 1)
                rest = write_load(writer, WORD_FIRST_OTHER);
        if (rest >= 0)
                rest = write_jump(writer, BPF_JEQ, decision->ranges[native].first, place, rest);
        return rest < 0 ? rest : write_load(writer, WORD_ARCHITECTURE);
}

static ssize_t write_all(Writer *writer, int index, uint32_t native) {
        const Decision *decision = &writer->decisions->list[index];

        if (decision->kind == DECISION_RANGES && decision->word == WORD_ARCHITECTURE)
                for (size_t i = 0; i + 2 < decision->n_ranges; i++)
                        if (decision->ranges[i + 1].first == native && is_hole(decision->ranges, i, i + 2))
                                return write_architectures(writer, decision, i + 1);
        return write_decision(writer, index);
}

static int write_program(const Decisions *decisions, int index, uint32_t native, struct sock_filter **ret,
                         size_t *ret_n) {
        _cleanup_free_ struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof(*code));
        _cleanup_free_ ssize_t *places = calloc(decisions->n, sizeof(*places));
        Writer writer = { .decisions = decisions, .code = code, .places = places };
        ssize_t r;

        if (!code || !places)
                return -ENOMEM;
        for (size_t i = 0; i < decisions->n; i++)
                places[i] = -1;
        r = write_all(&writer, index, native);
        if (r < 0)
                return (int) r;
        for (size_t i = 0, j = writer.n - 1; i < j; i++, j--) {
                struct sock_filter swap = code[i];

                code[i] = code[j];
                code[j] = swap;
        }
        *ret = TAKE_PTR(code);
        *ret_n = writer.n;
        return 0;
}

int filter_shorten(const struct sock_filter *code, size_t n, uint32_t native, struct sock_filter **ret,
                   size_t *ret_n) {
        _cleanup_decisions_ Decisions decisions = {};
        _cleanup_free_ struct sock_filter *new = NULL;
        size_t n_new = 0;
        int decision = filter_decide(&decisions, code, n), r = decision;

        if (r >= 0)
                r = write_program(&decisions, decision, native, &new, &n_new);
        if (r >= 0 && n_new >= n)
                return -ENOENT;
        if (r >= 0)
                r = filter_decide(&decisions, new, n_new);
        if (r >= 0 && r != decision)
                return -EBADE;
        if (r >= 0)
                r = filter_check(&decisions, decision, code, n, new, n_new);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(new);
        *ret_n = n_new;
        return 0;
}
