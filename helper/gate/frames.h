/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "common/contract.h"

/* What the gate and its client say to each other, over a stream socket: frames of eight bytes of heading (the size of
 * what follows and the kind, 32 bits each, the lower byte first) and a payload. berth-gate(8) describes them. Does not
 * log. */

#define GATE_SOCKET       BERTH_RUNTIME_DIR "/control"
#define GATE_VERSION      "1"
#define FRAME_HEADING     8
#define FRAME_PAYLOAD_MAX (256 * 1024)
#define FRAME_FDS_MAX     16

typedef enum FrameType {
        FRAME_REQUEST = 1, /* client: GATE_VERSION, TERM, then the words, each ended by a NUL; with descriptors */
        FRAME_SIGNAL = 2, /* client: a number of 32 bits */
        FRAME_END = 3,    /* gate: the exit status, 32 bits, and a message to show, if there is one */
} FrameType;

typedef struct Frame {
        FrameType type;
        const char *payload; /* borrowed */
        size_t size;
} Frame;

/* The frame that data begins with. How many bytes it takes; 0: more has to come; -EBADMSG: it is none. */
ssize_t frame_parse(const char *data, size_t size, Frame *ret);

/* A payload of words, each ended by a NUL: a vector of the caller's. -EBADMSG: the last is not ended, or there are
 * more than any command line has. */
int frame_words(const Frame *frame, char ***ret);

/* A payload that begins with a number of 32 bits. -EBADMSG. */
int frame_number(const Frame *frame, uint32_t *ret);

/* Sends one, whole. */
int frame_send(int socket_fd, FrameType type, const void *payload, size_t size, const int *fds,
               size_t n_fds);
int frame_send_number(int socket_fd, FrameType type, uint32_t number, const char *text);

/* What comes in, until frames are whole. Owns the descriptors that came along. */
typedef struct FrameReader {
        char *data;
        size_t size, used; /* bytes in data; of them those of the frame that was handed out last */
        int fds[FRAME_FDS_MAX];
        size_t n_fds;
} FrameReader;

void frame_reader_done(FrameReader *reader);
#define _cleanup_frame_reader_ _cleanup_(frame_reader_done)

/* Takes what has come; waits for it if there is nothing. 0; -EPIPE: the other side has gone; -EBADMSG: more than a
 * frame can be, or more descriptors than there may be. */
int frame_reader_receive(FrameReader *reader, int socket_fd);

/* The words of the request, which has to be the first frame, and whole within so many milliseconds, however it comes.
 * 0; -ETIME: it was not; -EPIPE, -EBADMSG: as above, or it is none. */
int frame_reader_request(FrameReader *reader, int socket_fd, int timeout_ms, char ***ret_words);

/* The next whole frame, which is valid until the next call of either. 1; 0: there is none yet; -EBADMSG. */
int frame_reader_next(FrameReader *reader, Frame *ret);
