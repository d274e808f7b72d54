/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/strv.h"
#include "helper/gate/frames.h"

static void make_pair(int ret[static 2]) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret), 0);
}

static void what_is_sent_arrives(void **state) {
        _cleanup_frame_reader_ FrameReader reader = {};
        _cleanup_strv_ char **words = NULL;
        int pair[2], fds[2] = { STDIN_FILENO, STDOUT_FILENO };
        uint32_t number;
        Frame frame;

        (void) state;
        make_pair(pair);
        assert_int_equal(frame_send(pair[0], FRAME_REQUEST, "1\0exec\0\0x", 10, fds, 2), 0);
        assert_int_equal(frame_send_number(pair[0], FRAME_SIGNAL, 0x01020304, ""), 0);
        assert_int_equal(frame_reader_receive(&reader, pair[1]), 0);
        assert_int_equal(frame_reader_next(&reader, &frame), 1);
        assert_int_equal(frame.type, FRAME_REQUEST);
        assert_int_equal(reader.n_fds, 2);
        assert_true(fcntl(reader.fds[0], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(frame_words(&frame, &words), 0);
        assert_int_equal(strv_length(words), 4);
        assert_string_equal(words[1], "exec");
        assert_string_equal(words[2], "");
        assert_string_equal(words[3], "x");
        while (frame_reader_next(&reader, &frame) == 0)
                assert_int_equal(frame_reader_receive(&reader, pair[1]), 0);
        assert_int_equal(frame.type, FRAME_SIGNAL);
        assert_int_equal(frame_number(&frame, &number), 0);
        assert_int_equal(number, 0x01020304);
        assert_int_equal(frame_reader_next(&reader, &frame), 0);
        close(pair[0]);
        assert_int_equal(frame_reader_receive(&reader, pair[1]), -EPIPE);
        close(pair[1]);
}

static void frames_may_come_byte_by_byte(void **state) {
        static const char bytes[] = { 4, 0, 0, 0, 2, 0, 0, 0, 15, 0, 0, 0 };
        Frame frame;

        (void) state;
        for (size_t n = 0; n < sizeof(bytes); n++)
                assert_int_equal(frame_parse(bytes, n, &frame), 0);
        assert_int_equal(frame_parse(bytes, sizeof(bytes), &frame), 12);
        assert_int_equal(frame.size, 4);
}

static void what_is_no_frame(void **state) {
        static const char rows[][8] = {
                { 0, 0, 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 4, 0, 0, 0 },     { 0, 0, 0, 0, 1, 0, 0, 1 },
                { 1, 0, 4, 0, 1, 0, 0, 0 }, { -1, -1, -1, -1, 1, 0, 0, 0 },
        };
        Frame frame;

        (void) state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                assert_int_equal(frame_parse(rows[i], sizeof(rows[i]), &frame), -EBADMSG);
}

static void what_are_no_words(void **state) {
        _cleanup_free_ char *many = calloc(1, 4097);
        _cleanup_strv_ char **most = NULL;
        char **words = NULL;
        Frame frames[] = { { FRAME_REQUEST, "", 0 },
                           { FRAME_REQUEST, "abc", 3 },
                           { FRAME_REQUEST, many, 4097 } },
              full = { FRAME_REQUEST, many, 4096 };
        uint32_t number;

        (void) state;
        for (size_t i = 0; i < ARRAY_LEN(frames); i++)
                assert_int_equal(frame_words(&frames[i], &words), -EBADMSG);
        assert_int_equal(frame_number(&frames[1], &number), -EBADMSG);
        assert_null(words);
        assert_int_equal(frame_words(&full, &most), 0);
        assert_int_equal(strv_length(most), 4096);
}

static void more_descriptors_than_there_may_be(void **state) {
        _cleanup_frame_reader_ FrameReader reader = {};
        int pair[2], fds[FRAME_FDS_MAX] = {};

        (void) state;
        make_pair(pair);
        assert_int_equal(frame_send_number(pair[0], FRAME_SIGNAL, 1, ""), 0);
        assert_int_equal(frame_reader_receive(&reader, pair[1]), 0);
        assert_int_equal(frame_send(pair[0], FRAME_SIGNAL, "aaaa", 4, fds, FRAME_FDS_MAX), 0);
        assert_int_equal(frame_reader_receive(&reader, pair[1]), 0);
        assert_int_equal(frame_send(pair[0], FRAME_SIGNAL, "aaaa", 4, fds, 1), 0);
        assert_int_equal(frame_reader_receive(&reader, pair[1]), -EBADMSG);
        assert_int_equal(reader.n_fds, FRAME_FDS_MAX);
        close(pair[0]);
        close(pair[1]);
}

static void a_request_has_to_come_in_time(void **state) {
        _cleanup_frame_reader_ FrameReader none = {}, half = {}, whole = {};
        _cleanup_strv_ char **words = NULL;
        int pair[2];

        (void) state;
        make_pair(pair);
        assert_int_equal(frame_reader_request(&none, pair[1], 0, &words), -ETIME);
        assert_int_equal(frame_reader_request(&none, pair[1], 1, &words), -ETIME);
        assert_int_equal(send(pair[0], "\4\0\0\0\1\0\0\0ab", 10, 0), 10);
        assert_int_equal(frame_reader_request(&half, pair[1], 1, &words), -ETIME);
        assert_null(words);
        assert_int_equal(frame_send(pair[0], FRAME_REQUEST, "1\0exec", 7, NULL, 0), 0);
        assert_int_equal(frame_reader_request(&whole, pair[1], 60000, &words), 0);
        assert_int_equal(strv_length(words), 2);
        close(pair[0]);
        assert_int_equal(frame_reader_request(&none, pair[1], 60000, &words), -EPIPE);
        close(pair[1]);
}

/* Each byte would be in time, and there are enough of them for minutes. */
static void a_request_that_drips_is_late(void **state) {
        _cleanup_frame_reader_ FrameReader reader = {};
        _cleanup_strv_ char **words = NULL;
        int pair[2], status;
        pid_t pid;

        (void) state;
        make_pair(pair);
        assert_int_equal(send(pair[0], "\0\0\4\0\1\0\0\0", 8, 0), 8); /* 256 KiB follow */
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                close(pair[1]);
                for (int i = 0; i < 200000 && send(pair[0], "x", 1, MSG_NOSIGNAL) == 1; i++)
                        usleep(1000);
                _exit(0);
        }
        close(pair[0]);
        assert_int_equal(frame_reader_request(&reader, pair[1], 50, &words), -ETIME);
        close(pair[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void a_signal_is_no_request(void **state) {
        _cleanup_frame_reader_ FrameReader reader = {};
        _cleanup_strv_ char **words = NULL;
        int pair[2];

        (void) state;
        make_pair(pair);
        assert_int_equal(frame_send_number(pair[0], FRAME_SIGNAL, 15, ""), 0);
        assert_int_equal(frame_reader_request(&reader, pair[1], 60000, &words), -EBADMSG);
        assert_null(words);
        close(pair[0]);
        close(pair[1]);
}

RUN(TEST(what_is_sent_arrives), TEST(frames_may_come_byte_by_byte), TEST(what_is_no_frame),
    TEST(what_are_no_words), TEST(more_descriptors_than_there_may_be), TEST(a_request_has_to_come_in_time),
    TEST(a_request_that_drips_is_late), TEST(a_signal_is_no_request))
