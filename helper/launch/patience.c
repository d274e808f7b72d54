/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/patience.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "helper/container/command.h"
#include "helper/container/notify.h"

#define AT_MOST_SECONDS  3600
#define EXTEND_SECONDS   60
#define INTERVAL_SECONDS 5

/* sd_notify(3), EXTEND_TIMEOUT_USEC. Not before a second has gone: a start that hangs has the limit it was given, unless
 * there is something to wait for. */
static _Noreturn void extend(pid_t main_pid, const char *text) {
        unsigned seconds = sleep(1) == 0 ? 1 : AT_MOST_SECONDS;

        for (; seconds < AT_MOST_SECONDS && notify_send(main_pid, text) >= 0; seconds += INTERVAL_SECONDS)
                (void) sleep(INTERVAL_SECONDS);
        _exit(EXIT_DONE);
}

Patience patience_begin(const char *status) {
        _cleanup_free_ char *text = NULL;
        Patience patience = {};
        pid_t self = getpid();

        if (!getenv("NOTIFY_SOCKET"))
                return patience;
        if (asprintf(&text, "EXTEND_TIMEOUT_USEC=%llu%s%s", EXTEND_SECONDS * 1000000ULL,
                     status ? "\nSTATUS=" : "", status ? status : "") < 0) {
                text = NULL;
                return patience;
        }
        patience.pid = command_fork();
        if (patience.pid == 0)
                extend(self, text);
        return patience;
}

void patience_end(Patience *patience) {
        if (patience->pid <= 0)
                return;
        (void) kill(patience->pid, SIGKILL);
        while (waitpid(patience->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        patience->pid = 0;
        (void) notify_send(0, "STATUS=");
}
