/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What a command has written, as much as somebody wants to read of it: all, or its beginning and its end. It costs
 * that much memory, whatever comes. */

typedef struct Capture {
        char *data; /* room for max bytes: the head, then the rest as a ring */
        size_t max;
        uint64_t total; /* bytes added */
        uint64_t lines; /* line ends among them */
} Capture;

void capture_done(Capture *capture);
#define _cleanup_capture_ _cleanup_(capture_done)

/* At most max bytes are kept. */
int capture_init(Capture *capture, size_t max);

void capture_add(Capture *capture, const char *data, size_t size);

typedef struct Captured {
        char *text; /* owned; size bytes and a NUL */
        size_t size;
        uint64_t omitted_bytes, omitted_lines;
} Captured;

void captured_done(Captured *captured);
#define _cleanup_captured_ _cleanup_(captured_done)

/* All of it; or 45 % of max of its beginning and as much of its end, both cut where a line ends (inside of a line only
 * where that would lose half of the share, and then between two characters), a line between them that says how much
 * is missing. */
int capture_take(const Capture *capture, Captured *ret);
