/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <sys/resource.h>

#include "helper/exec/capture.h"

static void add(Capture *capture, const char *s) {
        capture_add(capture, s, strlen(s));
}

static void test_all_of_it_where_it_fits(void **state) {
        _cleanup_capture_ Capture capture = {};
        _cleanup_captured_ Captured captured = {};

        (void) state;
        assert_int_equal(capture_init(&capture, 10), 0);
        add(&capture, "12345");
        add(&capture, "67890");
        assert_int_equal(capture_take(&capture, &captured), 0);
        assert_string_equal(captured.text, "1234567890");
        assert_int_equal(captured.size, 10);
        assert_int_equal(captured.omitted_bytes, 0);
        assert_int_equal(captured.omitted_lines, 0);
}

static void test_nothing_is_nothing(void **state) {
        static const size_t sizes[] = { 0, 1, 100 };

        (void) state;
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                _cleanup_capture_ Capture capture = {};
                _cleanup_captured_ Captured captured = {};

                assert_int_equal(capture_init(&capture, sizes[i]), 0);
                assert_int_equal(capture_take(&capture, &captured), 0);
                assert_string_equal(captured.text, "");
                assert_int_equal(captured.size, 0);
        }
}

/* A table: what was written, room for how much, and what is left. */
static void test_beginning_and_end(void **state) {
        static const struct {
                const char *written;
                size_t max;
                const char *text;
                uint64_t bytes, lines;
        } rows[] = {
                { "12", 1, "[... 2 bytes, 0 lines omitted ...]\n", 2, 0 },
                { "1\n2\n", 0, "[... 4 bytes, 2 lines omitted ...]\n", 4, 2 },
                /* whole lines: a share is 9 bytes */
                { "aaaa\nbbbb\ncccc\ndddd\neeee\n", 20, "aaaa\n[... 15 bytes, 3 lines omitted ...]\neeee\n",
                  15, 3 },
                /* one that ends exactly where the share does */
                { "12345678\nxxxxxxxxx\n12345678\n", 20,
                  "12345678\n[... 10 bytes, 1 lines omitted ...]\n12345678\n", 10, 1 },
                /* no line ends: bytes */
                { "0123456789abcdefghijklmnopqrstuvwxyz", 20,
                  "012345678\n[... 18 bytes, 0 lines omitted ...]\nrstuvwxyz", 18, 0 },
                /* a line's end that would lose half of the share */
                { "a\n0123456789abcdefghijklmnopqrstuvw\nz", 20,
                  "a\n0123456\n[... 19 bytes, 0 lines omitted ...]\nqrstuvw\nz", 19, 0 },
                /* a character stays whole: two, three and four bytes across the cut */
                { "01234567\303\244-----------------\303\2441234567", 20,
                  "01234567\n[... 19 bytes, 0 lines omitted ...]\n\303\2441234567", 19, 0 },
                { "01234567\342\202\254---------------\342\202\25412345678", 20,
                  "01234567\n[... 21 bytes, 0 lines omitted ...]\n12345678", 21, 0 },
                { "012345\360\237\230\200-------------\360\237\230\200123456", 20,
                  "012345\n[... 21 bytes, 0 lines omitted ...]\n123456", 21, 0 },
                /* one that just fits */
                { "0123456\303\244------------------\303\2441234567", 20,
                  "0123456\303\244\n[... 18 bytes, 0 lines omitted ...]\n\303\2441234567", 18, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                /* in one piece, and byte by byte */
                for (size_t step = 1; step <= 64; step += 63) {
                        _cleanup_capture_ Capture capture = {};
                        _cleanup_captured_ Captured captured = {};
                        size_t n = strlen(rows[i].written);

                        assert_int_equal(capture_init(&capture, rows[i].max), 0);
                        for (size_t at = 0; at < n; at += step)
                                capture_add(&capture, rows[i].written + at, MIN(step, n - at));
                        assert_int_equal(capture_take(&capture, &captured), 0);
                        assert_string_equal(captured.text, rows[i].text);
                        ROW(i, "size", captured.size == strlen(rows[i].text));
                        ROW(i, "bytes", captured.omitted_bytes == rows[i].bytes);
                        ROW(i, "lines", captured.omitted_lines == rows[i].lines);
                }
}

/* Bytes and lines left out and kept are all that were written, whatever the pieces. */
static void test_the_counts_add_up(void **state) {
        unsigned seed = 1;

        (void) state;
        for (size_t round = 0; round < 2000; round++) {
                _cleanup_capture_ Capture capture = {};
                _cleanup_captured_ Captured captured = {};
                uint64_t total = 0, lines = 0, kept = 0;
                const char *notice;
                char piece[64];

                assert_int_equal(capture_init(&capture, (size_t) rand_r(&seed) % 400), 0);
                for (int n = rand_r(&seed) % 40; n > 0; n--) {
                        size_t size = (size_t) rand_r(&seed) % sizeof(piece);

                        for (size_t i = 0; i < size; i++) {
                                piece[i] = "ab\n\303\244c"[rand_r(&seed) % 6];
                                lines += piece[i] == '\n';
                        }
                        capture_add(&capture, piece, size);
                        total += size;
                }
                assert_int_equal(capture_take(&capture, &captured), 0);
                for (size_t i = 0; i < captured.size; i++)
                        kept += captured.text[i] == '\n';
                notice = strstr(captured.text, "[... ");
                if (!notice) {
                        assert_int_equal(captured.size, total);
                        assert_int_equal(kept, lines);
                        continue;
                }
                assert_true(captured.omitted_bytes <= total);
                /* the notice has one line end, and one before it where the beginning has none */
                kept--;
                assert_true(kept + captured.omitted_lines >= lines);
                assert_true(kept + captured.omitted_lines <= lines + 1);
        }
}

static void test_gigabytes_cost_no_more(void **state) {
        _cleanup_capture_ Capture capture = {};
        _cleanup_captured_ Captured captured = {};
        static char piece[1 << 20];
        struct rusage before, after;

        (void) state;
        assert_int_equal(capture_init(&capture, 256 * 1024), 0);
        getrusage(RUSAGE_SELF, &before);
        for (size_t i = 0; i < 3072; i++)
                capture_add(&capture, piece, sizeof(piece));
        assert_int_equal(capture_take(&capture, &captured), 0);
        getrusage(RUSAGE_SELF, &after);
        assert_true(after.ru_maxrss - before.ru_maxrss < 4096); /* KiB */
        assert_int_equal(captured.omitted_bytes, (UINT64_C(3072) << 20) - 2 * 117964);
}

RUN(TEST(test_all_of_it_where_it_fits), TEST(test_nothing_is_nothing), TEST(test_beginning_and_end),
    TEST(test_the_counts_add_up), TEST(test_gigabytes_cost_no_more))
