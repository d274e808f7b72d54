/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/frozen.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "helper/container/bus.h"
#include "helper/container/cgroup.h"
#include "helper/container/enter.h"
#include "helper/container/scopes.h"

#define THAW_UNIT_PREFIX "berth-frozen@"

static int freeze_group(int unit_fd, const char *name, bool freeze) {
        _cleanup_close_ int fd = openat(unit_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = fd < 0 ? -errno : write_string_at(fd, "cgroup.freeze", freeze ? "1" : "0");

        return r == -ENOENT || r == -ENODEV ? 0 : r; /* an exec that is over */
}

/* Guards stand outside: they hold time limits, and reap. One that is frozen keeps the leader of a container that is killed
 * from ending, which waits for all in its pid namespace to be reaped (tried). */
static bool stands_still(const struct dirent *entry) {
        return entry->d_type == DT_DIR && entry->d_name[0] != '.' && !streq(entry->d_name, ENTER_GUARD);
}

/* What the unit's children are asked for, payload first: an exec makes its group, and looks at payload then. Not in
 * systemd's .control: it hangs for ever when it starts something in a frozen group (seen with 257), as ExecStopPost=
 * of a frozen unit that dies. */
static int freeze_groups(int unit_fd, bool freeze) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = freeze_group(unit_fd, CGROUP_PAYLOAD, freeze);
        if (r >= 0)
                r = directory_open(unit_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0)
                if (stands_still(entry))
                        r = freeze_group(unit_fd, entry->d_name, freeze);
        return r;
}

static bool group_has(int unit_fd, const char *name, const char *file, const char *line) {
        _cleanup_free_ char *path = NULL, *text = NULL;

        return asprintf(&path, "%s/%s", name, file) >= 0 &&
               read_file_at(unit_fd, path, 4096, &text, NULL) >= 0 && strstr(text, line);
}

/* Do all of them stand still, or none? */
static int groups_are(int unit_fd, bool frozen) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = directory_open(unit_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0)
                if (stands_still(entry) &&
                    group_has(unit_fd, entry->d_name, "cgroup.events", frozen ? "frozen 0" : "frozen 1"))
                        return 0;
        return r < 0 ? r : 1;
}

/* One change of all groups of a container, and what kept it from being done. */
typedef struct Change {
        int unit_fd;
        bool freeze;
        pid_t stuck; /* a thread that does not stand still, as it waits in the kernel */
        char *above; /* the path of a group above the unit's that stands still, and with it all below */
} Change;

static void change_done(Change *change) {
        free(change->above);
}
#define _cleanup_change_ _cleanup_(change_done)

/* A thread in state D can be asked nothing until what it waits for has happened. */
static pid_t find_stuck(int group_fd, const char *name) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        char *at = NULL;

        if (asprintf(&path, "%s/cgroup.threads", name) < 0 ||
            read_file_at(group_fd, path, 1024 * 1024, &text, NULL) < 0)
                return 0;
        for (const char *id = strtok_r(text, "\n", &at); id; id = strtok_r(NULL, "\n", &at)) {
                _cleanup_free_ char *file = NULL, *status = NULL;

                if (asprintf(&file, "/proc/%s/status", id) >= 0 &&
                    read_file_at(AT_FDCWD, file, 16 * 1024, &status, NULL) >= 0 &&
                    strstr(status, "\nState:\tD"))
                        return atoi(id);
        }
        return 0;
}

static pid_t find_stuck_below(int fd) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        pid_t found = 0;
        int r;

        r = directory_open(fd, ".", 0, &dir);
        while (found == 0 && r >= 0 && (r = directory_next(dir, &entry)) > 0)
                if (stands_still(entry) && group_has(fd, entry->d_name, "cgroup.events", "frozen 0"))
                        found = find_stuck(fd, entry->d_name);
        return found;
}

/* Whoever does the opposite begins with payload, as we do. */
static bool undone(const Change *change) {
        return group_has(change->unit_fd, CGROUP_PAYLOAD, "cgroup.freeze", change->freeze ? "0" : "1");
}

static int set_groups(Change *change, int fd) {
        int r = freeze_groups(fd, change->freeze);

        for (unsigned i = 0; r >= 0 && i < 50 + 495; i++) { /* 10 seconds */
                const struct timespec pause = { .tv_nsec = (i < 50 ? 2 : 20) * 1000 * 1000 };

                r = groups_are(fd, change->freeze);
                if (r != 0)
                        return MIN(r, 0);
                if (undone(change))
                        return -ECANCELED;
                if (change->above)
                        break;
                (void) clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        }
        if (r >= 0 && change->freeze)
                change->stuck = find_stuck_below(fd);
        return r < 0 ? r : -ETIMEDOUT;
}

static int set_scope(int cgroup_fd, const char *unit _unused_, void *userdata) {
        int r = set_groups(userdata, cgroup_fd);

        return r == -ENOENT || r == -ENODEV ? 0 : r; /* it has just ended */
}

/* The unit first: an exec that makes its group in a scope looks at payload then as well, or is found here. */
static int set_all(const Item *item, Change *change) {
        int r = set_groups(change, change->unit_fd);

        return r < 0 ? r : scopes_for_each(&item->state, set_scope, change);
}

static void find_frozen_above(const Item *item, Change *change) {
        _cleanup_free_ char *path = item->state.cgroup ? strdup(item->state.cgroup) : NULL;
        char *slash;

        for (unsigned i = 0; path && (slash = strrchr(path, '/')) && slash > path; i++) {
                _cleanup_close_ int fd = -EBADF;

                *slash = '\0';
                if (i == 0) /* the unit's, which we thaw */
                        continue;
                fd = cgroup_open(path);
                if (fd >= 0 && group_has(fd, ".", "cgroup.freeze", "1")) {
                        change->above = TAKE_PTR(path);
                        return;
                }
        }
}

static int thaw(const Item *item, const char *thaw_unit, Change *change) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *own = NULL;
        int r = 0;

        if (item->state.unit)
                bus = bus_open();
        if (group_has(change->unit_fd, ".", "cgroup.freeze", "1"))
                r = item->state.unit ? bus_thaw_unit(bus, item->state.unit)
                                     : write_string_at(change->unit_fd, "cgroup.freeze", "0");
        find_frozen_above(item, change);
        if (r >= 0)
                r = set_all(item, change);
        /* That unit is we, where its container is about to stop: who waited would wait for himself. It is not to start again
         * where that restarts. */
        if (thaw_unit)
                (void) bus_stop_unit(bus, thaw_unit, cgroup_self(&own) < 0 || !strstr(own, thaw_unit));
        return r;
}

static int freeze(const Item *item, const char *thaw_unit, Change *change) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_change_ Change back = { .unit_fd = change->unit_fd };
        int r;

        if (item->state.unit) {
                bus = bus_open();
                r = bus_thaw_at_stop(bus, item->state.unit, item->state.name, thaw_unit);
                if (r < 0)
                        return r;
        }
        r = set_all(item, change);
        if (r < 0)
                (void) thaw(item, thaw_unit, &back);
        return r;
}

static int change_container(const Item *item, Change *change) {
        _cleanup_free_ char *thaw_unit = NULL;

        if (item->state.unit && asprintf(&thaw_unit, THAW_UNIT_PREFIX "%s", item->state.unit) < 0)
                return -ENOMEM;
        return change->freeze ? freeze(item, thaw_unit, change) : thaw(item, thaw_unit, change);
}

/* Why it was not done, and what helps. */
static int tell(const Item *item, const Change *change, int error) {
        const char *name = item->state.name, *done = change->freeze ? "frozen" : "thawed";

        if (error == -EBUSY)
                return log_error_errno(error, "container '%s' is just stopping, and cannot be frozen", name);
        if (error == -ECANCELED)
                return log_error_errno(
                                error,
                                "container '%s' was %s by somebody else while it was to be %s; try again",
                                name, change->freeze ? "thawed" : "frozen", done);
        if (change->above)
                return log_error_errno(
                                error,
                                "container '%s' cannot be thawed: control group %s, which it is in, is frozen; thaw that first: systemctl thaw %s",
                                name, change->above, basename(change->above));
        if (error == -ETIMEDOUT && change->stuck > 0)
                return log_error_errno(
                                error,
                                "container '%s' cannot be frozen, and goes on: process %d waits in the kernel, "
                                "as for a disk or a server, and does not stand still; what for, ps -o stat,wchan:30,args -p %d tells",
                                name, change->stuck, change->stuck);
        if (error == -ETIMEDOUT)
                return log_error_errno(
                                error,
                                "container '%s' cannot be %s: not all of its processes %s within 10 seconds; try again",
                                name, done, change->freeze ? "stood still" : "went on");
        return log_error_errno(error, "container '%s' cannot be %s: %m", name, done);
}

int frozen_set(const Item *item, bool freeze) {
        _cleanup_change_ Change change = { .freeze = freeze };
        _cleanup_close_ int unit_fd = item_open_unit_cgroup(item);
        int r = unit_fd;

        change.unit_fd = unit_fd;
        if (r >= 0)
                r = change_container(item, &change);
        return r < 0 ? tell(item, &change, r) : 0;
}

/* What the keeper does: not even a signal to all of our group keeps it from thawing. */
static int keep(const Item *item, int fd) {
        _cleanup_close_ int unit_fd = -EBADF;
        _cleanup_change_ Change change = {};
        sigset_t all;
        char byte;
        int r;

        sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        (void) setsid();
        while (read(fd, &byte, 1) < 0 && errno == EINTR)
                ;
        change.unit_fd = unit_fd = item_open_unit_cgroup(item);
        r = unit_fd < 0 ? unit_fd : change_container(item, &change);
        if (r < 0 && r != -ENOENT && r != -ENODEV)
                tell(item, &change, r);
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
        r = frozen_set(item, true);
        if (r < 0)
                return r;
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
