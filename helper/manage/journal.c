/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/journal.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <systemd/sd-journal.h>

#include "common/base.h"

#define SYNCHRONIZE_SECONDS 10

void journal_synchronize(void) {
        static const char call[] =
                        "{\"method\":\"io.systemd.Journal.Synchronize\"}"; /* and the NUL that ends it */
        struct sockaddr_un address = { .sun_family = AF_UNIX,
                                       .sun_path = "/run/systemd/journal/io.systemd.journal" };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct timeval timeout = { .tv_sec = SYNCHRONIZE_SECONDS };
        char answer[256];
        ssize_t n;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
            connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            send(fd, call, sizeof(call), MSG_NOSIGNAL) != (ssize_t) sizeof(call))
                return;
        do /* signal(7): with a timeout a stop and a continue interrupt it as well */
                n = read(fd, answer, sizeof(answer));
        while (n < 0 ? errno == EINTR : n > 0 && answer[n - 1] != '\0');
}

void journal_tell(pid_t pid, int priority, const char *text) {
        (void) sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", priority, "OBJECT_PID=%i", pid,
                               "SYSLOG_IDENTIFIER=berth", NULL);
}
