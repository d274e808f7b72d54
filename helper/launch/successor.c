/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/successor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "helper/container/cgroup.h"
#include "helper/container/enter.h"

/* Beside the execs' guards: as long as it is in the unit's own control group, that one's children cannot be given
 * controllers (cgroups(7), no internal processes). */
static _Noreturn void tell_machined(const char *name, int unit_fd) {
        const char *argv[] = { "berth-manage", "machine-register", name, NULL };
        int guard_fd = cgroup_make(unit_fd, ENTER_GUARD);

        if (guard_fd >= 0)
                (void) write_string_at(guard_fd, "cgroup.procs", "0");
        execv(BERTH_LIBEXECDIR "/berth-manage", (char *const *) (uintptr_t) argv);
        _exit(EXIT_BERTH);
}

void successor_register(Launch *launch) {
        if (fork() == 0)
                tell_machined(launch->plan.name, launch->cgroup_fd);
}

static bool hears(int fd, char word) {
        char byte;
        ssize_t n;

        do
                n = read(fd, &byte, 1);
        while (n < 0 && errno == EINTR);
        return n == 1 && byte == word;
}

static _Noreturn void succeed(Launch *launch, int words_fd) {
        int unit_fd = TAKE_FD(launch->cgroup_fd), leader_fd = TAKE_FD(launch->pidfd);
        char name[NAME_LENGTH_MAX + 1];

        snprintf(name, sizeof(name), "%s", launch->plan.name);
        prepare_done(launch); /* above all the end of the pipe by which the leader sees that the launcher has died */
        if (!hears(words_fd, 'M'))
                _exit(EXIT_DONE); /* the leader has not heard it either, and ends by itself */
        if (hears(words_fd, 'R'))
                tell_machined(name, unit_fd);
        (void) pidfd_send_signal(leader_fd, SIGKILL, NULL, 0);
        _exit(EXIT_BERTH);
}

int successor_begin(Launch *launch, int *ret_fd) {
        int words[2], r;
        pid_t pid;

        if (pipe2(words, O_CLOEXEC) < 0)
                return log_error_errno(errno, "Cannot make a pipe: %m");
        pid = fork();
        r = pid < 0 ? -errno : 0;
        if (pid == 0) {
                close_fd(words[1]);
                succeed(launch, words[0]);
        }
        close_fd(words[0]);
        if (r < 0) {
                close_fd(words[1]);
                return log_error_errno(r, "Cannot fork: %m");
        }
        *ret_fd = words[1];
        return 0;
}

int successor_say(int fd, char word) {
        return write_fd(fd, &word, 1);
}
