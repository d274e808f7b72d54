/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/frozen.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "common/fs.h"
#include "common/log.h"
#include "helper/container/bus.h"

static int set_frozen(const Item *item, bool freeze) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (item->state.unit) {
                bus = bus_open();
                return bus_freeze_unit(bus, item->state.unit, freeze);
        }
        fd = item_open_unit_cgroup(item);
        return fd < 0 ? fd : write_string_at(fd, "cgroup.freeze", freeze ? "1" : "0");
}

/* Without a unit there is nobody to tell when all of it stands still but the group itself. */
static int wait_frozen(const Item *item) {
        for (unsigned i = 0; i < 500; i++) {
                _cleanup_item_ Item now = {};
                const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
                int r = item_open(item->state.name, &now);

                if (r < 0 || now.condition == CONDITION_FROZEN)
                        return MIN(r, 0);
                if (!item_runs(&now))
                        return -ESRCH;
                (void) clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        }
        return -ETIMEDOUT;
}

/* What the keeper does: not even a signal to all of our group keeps it from thawing. */
static int keep(const Item *item, int fd) {
        sigset_t all;
        char byte;
        int r;

        sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        (void) setsid();
        while (read(fd, &byte, 1) < 0 && errno == EINTR)
                ;
        r = set_frozen(item, false);
        if (r < 0 && r != -ENOENT && r != -ENODEV)
                log_error_errno(r, "container '%s' could not be thawed: %m; berth thaw %s does",
                                item->state.name, item->state.name);
        return r < 0 ? 1 : 0;
}

static int start_keeper(const Item *item, Frozen *ret) {
        _cleanup_close_ int read_end = -EBADF, write_end = -EBADF;
        int ends[2];
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        read_end = ends[0];
        write_end = ends[1];
        fflush(NULL);
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot make a process: %m");
        if (pid == 0) {
                close_fd(write_end);
                _exit(keep(item, read_end));
        }
        *ret = (Frozen){ .pipe_fd = TAKE_FD(write_end), .keeper = pid };
        return 0;
}

int frozen_begin(const Item *item, Frozen *ret) {
        _cleanup_frozen_ Frozen frozen = FROZEN_NONE;
        int r;

        if (item->condition == CONDITION_FROZEN) {
                *ret = frozen;
                return 0;
        }
        r = start_keeper(item, &frozen);
        if (r < 0)
                return r;
        r = set_frozen(item, true);
        if (r >= 0)
                r = wait_frozen(item);
        if (r < 0)
                return log_error_errno(r, "container '%s' cannot be frozen: %m", item->state.name);
        *ret = frozen;
        frozen = FROZEN_NONE;
        return 0;
}

int frozen_check(const Item *item) {
        _cleanup_item_ Item now = {};
        int r = item_open(item->state.name, &now);

        if (r >= 0 && now.condition == CONDITION_FROZEN && now.state.pid == item->state.pid &&
            now.state.start_time == item->state.start_time)
                return 0;
        return log_error_errno(ESTALE,
                               "container '%s' was stopped or thawed while its files were copied; try again",
                               item->state.name);
}

int frozen_end(Frozen *frozen) {
        int status = 0;

        if (frozen->keeper == 0)
                return 0;
        frozen->pipe_fd = close_fd(frozen->pipe_fd);
        while (waitpid(frozen->keeper, &status, 0) < 0)
                if (errno != EINTR)
                        break;
        frozen->keeper = 0;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}
