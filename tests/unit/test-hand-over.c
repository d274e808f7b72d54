/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "helper/launch/hand-over.h"

static void open_pair(int ends[2]) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static bool same_file(int a, int b) {
        struct stat x, y;

        return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void each_descriptor_arrives_in_its_place(void **state _unused_) {
        int ends[2], got[4],
                        fds[4] = { open("/", O_PATH | O_CLOEXEC), -EBADF, open("/proc", O_PATH | O_CLOEXEC),
                                   -EBADF };
        char next;

        open_pair(ends);
        assert_int_equal(hand_over_send(ends[0], 'G', fds, 4), 0);
        assert_int_equal(write(ends[0], "M", 1), 1); /* what follows is not taken along */
        assert_int_equal(hand_over_receive(ends[1], 'G', got, 4), 0);
        assert_true(same_file(got[0], fds[0]));
        assert_true(same_file(got[2], fds[2]));
        assert_int_equal(fcntl(got[2], F_GETFD), FD_CLOEXEC);
        assert_true(got[1] < 0 && got[3] < 0);
        assert_int_equal(read(ends[1], &next, 1), 1);
        assert_int_equal(next, 'M');
        for (size_t i = 0; i < 4; i += 2) {
                close_fd(got[i]);
                close_fd(fds[i]);
        }
        close_fd(ends[0]);
        close_fd(ends[1]);
}

static void none_at_all_is_a_word_as_well(void **state _unused_) {
        int ends[2], got[2];

        open_pair(ends);
        assert_int_equal(hand_over_send(ends[0], 'G', (const int[]){ -EBADF, -EBADF }, 2), 0);
        assert_int_equal(hand_over_receive(ends[1], 'G', got, 2), 0);
        assert_true(got[0] < 0 && got[1] < 0);
        close_fd(ends[0]);
        close_fd(ends[1]);
}

static void anything_else_is_no_word(void **state _unused_) {
        int ends[2], got[2];

        open_pair(ends);
        assert_int_equal(hand_over_send(ends[0], 'M', (const int[]){ -EBADF, -EBADF }, 2), 0);
        assert_int_equal(hand_over_receive(ends[1], 'G', got, 2), -ECONNRESET);
        assert_int_equal(write(ends[0], "G\1", 2), 2); /* without the descriptor that it speaks of */
        assert_int_equal(hand_over_receive(ends[1], 'G', got, 2), -ECONNRESET);
        close_fd(ends[0]);
        assert_int_equal(hand_over_receive(ends[1], 'G', got, 2), -ECONNRESET);
        assert_int_equal(hand_over_send(ends[1], 'G', got, 0), -EPIPE);
        close_fd(ends[1]);
}

RUN(TEST(each_descriptor_arrives_in_its_place), TEST(none_at_all_is_a_word_as_well),
    TEST(anything_else_is_no_word))
