/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/signals.h"

#include <signal.h>
#include <stdio.h>

#include "common/parse.h"

/* Names that sigabbrev_np(3) does not give: signal(7), "Signal numbering". */
static const struct {
        const char *name;
        int number;
} more[] = { { "IO", SIGIO }, { "CLD", SIGCHLD }, { "IOT", SIGABRT } };

static int parse_realtime(const char *name, int *ret) {
        const char *offset = startswith(name, "RTMIN");
        bool up = offset != NULL;
        uint32_t n = 0;

        offset = offset ? offset : startswith(name, "RTMAX");
        if (!offset)
                return -EINVAL;
        if (*offset != '\0' && (*offset != (up ? '+' : '-') || parse_uint32(offset + 1, &n) < 0))
                return -EINVAL;
        if (n > (uint32_t) (SIGRTMAX - SIGRTMIN))
                return -EINVAL;
        *ret = up ? SIGRTMIN + (int) n : SIGRTMAX - (int) n;
        return 0;
}

int signal_parse(const char *s, int *ret) {
        const char *name = startswith(s, "SIG");
        uint32_t number;

        if (!name && parse_uint32(s, &number) >= 0) {
                if (number == 0 || number > (uint32_t) SIGRTMAX ||
                    (number >= 32 && number < (uint32_t) SIGRTMIN)) /* glibc's own, pthreads(7) */
                        return -EINVAL;
                *ret = (int) number;
                return 0;
        }
        name = name ? name : s;
        for (int i = 1; i < 32; i++)
                if (sigabbrev_np(i) && streq(sigabbrev_np(i), name)) {
                        *ret = i;
                        return 0;
                }
        for (size_t i = 0; i < ARRAY_LEN(more); i++)
                if (streq(more[i].name, name)) {
                        *ret = more[i].number;
                        return 0;
                }
        return parse_realtime(name, ret);
}

void signal_format(int number, char ret[static SIGNAL_NAME_SIZE]) {
        if (number == SIGIO) /* "SIGPOLL" is not read by systemd */
                snprintf(ret, SIGNAL_NAME_SIZE, "SIGIO");
        else if (number >= SIGRTMIN)
                snprintf(ret, SIGNAL_NAME_SIZE, "SIGRTMIN+%d", number - SIGRTMIN);
        else
                snprintf(ret, SIGNAL_NAME_SIZE, "SIG%s", sigabbrev_np(number));
}
