/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/successor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "helper/container/cgroup.h"
#include "helper/container/enter.h"

/* Who waits for the start, and systemd, which tells him, go first: on few processors this would keep them from it, and
 * systemd would wait while a control group is made before it could read where a process is. */
#define PAUSE_MS 5

/* What a successor still needs of a launch that is over. */
typedef struct Successor {
        char name[NAME_LENGTH_MAX + 1];
        int unit_fd, leader_fd;
} Successor;

/* Of the rest it lets go: above all of the lock of the layer, and of the end of the pipe by which a leader sees that the
 * launcher has died. */
static Successor succeed(Launch *launch) {
        Successor successor = { .unit_fd = TAKE_FD(launch->cgroup_fd), .leader_fd = TAKE_FD(launch->pidfd) };

        snprintf(successor.name, sizeof(successor.name), "%s", launch->plan.name);
        prepare_done(launch);
        *launch = prepare_empty();
        return successor;
}

/* Beside the execs' guards: as long as it is in the unit's own control group, that one's children cannot be given
 * controllers (cgroups(7), no internal processes). Returns what to exit with if there is no telling. */
static int tell_machined(const Successor *successor) {
        const char *argv[] = { "berth-manage", "machine-register", successor->name, NULL };
        struct pollfd end = { .fd = successor->leader_fd, .events = POLLIN };
        int guard_fd;

        /* What has ended is not told of; systemd would kill us, and say so. */
        if (poll(&end, 1, PAUSE_MS) > 0)
                return EXIT_DONE;
        guard_fd = cgroup_make(successor->unit_fd, ENTER_GUARD);
        if (guard_fd >= 0)
                (void) write_string_at(guard_fd, "cgroup.procs", "0");
        execv(BERTH_LIBEXECDIR "/berth-manage", (char *const *) (uintptr_t) argv);
        return EXIT_BERTH;
}

int successor_become(Launch *launch) {
        const Successor successor = succeed(launch);

        return tell_machined(&successor);
}

static bool hears(int fd, char word) {
        char byte;
        ssize_t n;

        do
                n = read(fd, &byte, 1);
        while (n < 0 && errno == EINTR);
        return n == 1 && byte == word;
}

static _Noreturn void wait_and_tell(Launch *launch, int words_fd) {
        const Successor successor = succeed(launch);

        if (!hears(words_fd, 'M'))
                _exit(EXIT_DONE); /* the leader has not heard it either, and ends by itself */
        if (hears(words_fd, 'R'))
                _exit(tell_machined(&successor));
        (void) pidfd_send_signal(successor.leader_fd, SIGKILL, NULL, 0);
        _exit(EXIT_BERTH);
}

int successor_begin(Launch *launch, int *ret_fd) {
        int words[2], r;
        pid_t pid;

        if (pipe2(words, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        pid = fork();
        r = pid < 0 ? -errno : 0;
        if (pid == 0) {
                close_fd(words[1]);
                wait_and_tell(launch, words[0]);
        }
        close_fd(words[0]);
        if (r < 0) {
                close_fd(words[1]);
                return log_error_errno(r, "cannot make a process: %m");
        }
        *ret_fd = words[1];
        return 0;
}

int successor_say(int fd, char word) {
        return write_fd(fd, &word, 1);
}
