/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/calm.h"

#include <sys/socket.h>
#include <sys/un.h>

#define JOURNALS "/run/systemd/journal" /* and those of LogNamespace= behind a dot, systemd.exec(5) */

/* What is longer is broken into several lines, we do not know where: LineMax= of journald.conf(5) is 48K. */
#define LINE_SURE 4096

Calm calm_begin(int fd) {
        struct sockaddr_un peer = {};
        socklen_t size = sizeof(peer) - 1;

        return (Calm){ .on = getpeername(fd, (struct sockaddr *) &peer, &size) >= 0 &&
                             peer.sun_family == AF_UNIX && startswith(peer.sun_path, JOURNALS) };
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r';
}

/* A character between line ends. Is it the end of an emergency's mark? */
static bool step(Calm *calm, char c) {
        calm->column++;
        if (calm->state == CALM_ZERO && c == '>') {
                calm->state = CALM_TEXT;
                return true;
        }
        if ((calm->state == CALM_OPEN || (calm->state == CALM_ZERO && calm->zeros < 3)) && c == '0') {
                calm->zeros = calm->state == CALM_OPEN ? 1 : calm->zeros + 1;
                calm->state = CALM_ZERO;
        } else if (c == '<' && (calm->state == CALM_START || calm->column > LINE_SURE))
                calm->state = CALM_OPEN;
        else if (calm->state != CALM_START || !is_blank(c))
                calm->state = CALM_TEXT;
        return false;
}

void calm_apply(Calm *calm, char *data, size_t size) {
        if (!calm->on)
                return;
        for (size_t i = 0; i < size; i++)
                if (data[i] == '\n' || data[i] == '\0') {
                        calm->state = CALM_START;
                        calm->column = 0;
                } else if (step(calm, data[i])) {
                        if (i > 0)
                                data[i - 1] = '1';
                        else
                                data[i] = ' '; /* too late for the zero: no mark then */
                }
}
