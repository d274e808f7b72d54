/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever a client sends, what is taken for a request names a verb of the gate and containers with valid names, is
 * understood the same when it is read again, and speaks of no path of the client's choice. */

#include <fcntl.h>
#include <sys/socket.h>

#include "common/base.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/gate/frames.h"
#include "helper/gate/gate-words.h"
#include "tests/fuzz/fuzz.h"

static void check_words(char **words) {
        _cleanup_gate_words_ GateWords first = {}, again = {};

        if (gate_words_check(words, 10, &first) < 0)
                return;
        assert(streq(first.argv[0], "berth") && gate_has_verb(first.argv[1]) &&
               streq(first.row->name, first.argv[1]) && !first.row->root && !first.row->open);
        for (char **name = first.names; name && *name; name++)
                assert(name_valid(*name, false));
        if (first.n_files > 0) /* these are numbered once */
                return;
        assert(gate_words_check(first.argv + 1, 10, &again) == 0);
        assert(strv_length(first.argv) == strv_length(again.argv));
        for (size_t i = 0; first.argv[i]; i++)
                assert(streq(first.argv[i], again.argv[i]));
        assert(strv_length(first.names) == strv_length(again.names));
        assert(!first.user == !again.user && (!first.user || streq(first.user, again.user)));
        assert(!first.volume == !again.volume && (!first.volume || streq(first.volume, again.volume)));
}

#define READER_MAX 4096 /* fits into a socket */

/* What the reader makes of the bytes, in pieces as their first one says, is what is in them. */
static void check_reader(const char *data, size_t size) {
        _cleanup_frame_reader_ FrameReader reader = {};
        const size_t piece = size > 0 ? 1 + (uint8_t) data[0] : 1;
        size_t sent = 0, at = 0;
        int pair[2];

        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        while (sent < size) {
                size_t n = MIN(piece, size - sent);
                Frame expected, frame;
                int r;

                assert(send(pair[0], data + sent, n, MSG_DONTWAIT) == (ssize_t) n);
                sent += n;
                if (frame_reader_receive(&reader, pair[1]) < 0)
                        break;
                while ((r = frame_reader_next(&reader, &frame)) > 0) {
                        ssize_t k = frame_parse(data + at, sent - at, &expected);

                        assert(k > 0 && expected.type == frame.type && expected.size == frame.size &&
                               memcmp(expected.payload, frame.payload, frame.size) == 0);
                        at += (size_t) k;
                }
                assert(r < 0 ? frame_parse(data + at, sent - at, &expected) < 0
                             : frame_parse(data + at, sent - at, &expected) == 0);
                if (r < 0)
                        break;
        }
        close(pair[0]);
        close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *copy = malloc(size + 1); /* not a byte more than there is */
        static bool quiet;
        size_t at = 0;

        if (!quiet) { /* each refusal is a line on standard error */
                quiet = true;
                assert(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) >= 0);
        }
        assert(copy);
        memcpy(copy, data, size);
        if (size <= READER_MAX)
                check_reader(copy, size);
        for (;;) {
                _cleanup_strv_ char **words = NULL;
                uint32_t number;
                Frame frame;
                ssize_t n = frame_parse(copy + at, size - at, &frame);

                if (n <= 0)
                        return 0;
                assert((size_t) n <= size - at && frame.payload + frame.size == copy + at + n);
                at += (size_t) n;
                (void) frame_number(&frame, &number);
                if (frame.type == FRAME_REQUEST && frame_words(&frame, &words) == 0 &&
                    strv_length(words) > 2)
                        check_words(words + 2);
        }
}
