/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/mman.h>

#include "generator/workers.h"
#include "tests/unit/check.h"

/* Counts, in memory that workers share, how often an item was asked for. */
typedef struct Count {
        unsigned *times;
        size_t deadly, refused;
        bool lazy;
} Count;

static bool begin(void *data) {
        return !((Count *) data)->lazy;
}

static bool item(void *data, size_t i) {
        Count *c = data;

        if (i == c->deadly)
                raise(SIGKILL);
        c->times[i]++;
        return i != c->refused;
}

static int run(Count *c, size_t n, Workers *ret) {
        c->times = mmap(NULL, n * sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                        0);
        assert_true(c->times != MAP_FAILED);
        return workers_run(&(WorkersJob){ c, begin, item }, n, ret);
}

/* One CPU has no workers, and then there is nothing to test. */
static bool have(const Workers *w, const Count *c) {
        if (!w->done)
                for (size_t i = 0; i < 1000; i++)
                        assert_int_equal(c->times[i], 0);
        return w->done;
}

static void each_item_is_done_once(void **state _unused_) {
        Count c = { .deadly = SIZE_MAX, .refused = 500 };
        _cleanup_workers_ Workers w = { 0 };

        assert_int_equal(run(&c, 1000, &w), 0);
        for (size_t i = 0; have(&w, &c) && i < 1000; i++) {
                assert_int_equal(c.times[i], 1);
                assert_int_equal(w.done[i], i != 500);
        }
        munmap(c.times, 1000 * sizeof(unsigned));
}

static void a_worker_that_dies_loses_nothing_silently(void **state _unused_) {
        Count c = { .deadly = 300, .refused = SIZE_MAX };
        _cleanup_workers_ Workers w = { 0 };
        int r = run(&c, 1000, &w);

        if (have(&w, &c)) {
                assert_int_equal(r, -ECHILD);
                assert_false(w.done[300]);
                for (size_t i = 0; i < 1000; i++)
                        assert_int_equal(w.done[i], c.times[i] == 1);
                assert_true(w.done[999]); /* the others went on */
        }
        munmap(c.times, 1000 * sizeof(unsigned));
}

static void a_worker_that_cannot_begin_does_nothing(void **state _unused_) {
        Count c = { .deadly = SIZE_MAX, .refused = SIZE_MAX, .lazy = true };
        _cleanup_workers_ Workers w = { 0 };

        assert_int_equal(run(&c, 1000, &w), 0);
        for (size_t i = 0; have(&w, &c) && i < 1000; i++)
                assert_false(w.done[i]);
        munmap(c.times, 1000 * sizeof(unsigned));
}

static void few_items_have_no_workers(void **state _unused_) {
        Count c = { .deadly = 0, .refused = SIZE_MAX };
        _cleanup_workers_ Workers w = { 0 };

        assert_int_equal(run(&c, 10, &w), 0);
        assert_null(w.done);
        munmap(c.times, 10 * sizeof(unsigned));
}

RUN(TEST(each_item_is_done_once), TEST(a_worker_that_dies_loses_nothing_silently),
    TEST(a_worker_that_cannot_begin_does_nothing), TEST(few_items_have_no_workers))
