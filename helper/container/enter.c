/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/enter.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "helper/container/cgroup.h"
#include "helper/container/known.h"

#define CGROUP_RETRIES 64

void enter_done(Enter *enter) {
        state_done(&enter->state);
        enter->leader_fd = close_fd(enter->leader_fd);
        enter->root_fd = close_fd(enter->root_fd);
        enter->proc_fd = close_fd(enter->proc_fd);
        enter->cgroup_ns_fd = close_fd(enter->cgroup_ns_fd);
        enter->unit_fd = close_fd(enter->unit_fd);
        enter->cgroup_fd = close_fd(enter->cgroup_fd);
}

static int log_ended(const State *state) {
        return log_error_errno(ESRCH, "container '%s' is not running: its leader has ended", state->name);
}

/* Where its unit is by default: systemd is not asked here. */
static bool has_processes(const char *name) {
        _cleanup_close_ int fd = -EBADF;
        char path[sizeof("/machine.slice/.service/" CGROUP_PAYLOAD) + NAME_LENGTH_MAX];

        snprintf(path, sizeof(path), "/machine.slice/%s.service/" CGROUP_PAYLOAD, name);
        fd = cgroup_open(path);
        return fd >= 0 && cgroup_wait_empty(fd, 0) == 0;
}

static int open_state(const char *name, State *ret) {
        int r;

        r = name_valid(name, false) ? state_read(name, ret) : -ENOENT;
        switch (r) {
        case 0:
                return 0;
        case -ENOENT:
                if (known_check(name) != EXIT_DONE)
                        return r;
                if (has_processes(name))
                        log_error("container '%s' is just starting or stopping, or has lost its state, '%s/%s'; "
                                  "systemctl restart %s makes that anew",
                                  name, BERTH_CONTAINER_DIR, name, name);
                else
                        log_error("container '%s' is not running; systemctl start %s starts it", name, name);
                return r;
        case -EACCES:
        case -EPERM:
                return log_error_errno(r, "only root may enter container '%s'", name);
        case -EBADMSG:
                return log_error_errno(
                                r,
                                "the state of container '%s' is damaged, or of another version of Berth; "
                                "systemctl restart %s makes it anew",
                                name, name);
        default:
                return log_error_errno(r, "cannot read the state of container '%s': %m", name);
        }
}

/* Opens what /proc has of the leader. Held from before the last look at him: it is his, or nobody's. The cgroup
 * namespace by a descriptor of its own: from inside, the leader's pidfd would no longer do, as he may not be looked
 * at from there (ptrace(2), access mode checks). */
static int open_leader(Enter *enter) {
        const State *state = &enter->state;
        char path[64];

        if (state->apparmor) {
                enter->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (enter->proc_fd < 0)
                        return log_error_errno(errno, "cannot open '/proc': %m");
        }
        snprintf(path, sizeof(path), "/proc/%d/root", state->pid);
        enter->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", state->pid);
        if (enter->root_fd >= 0)
                enter->cgroup_ns_fd = open(path, O_RDONLY | O_CLOEXEC);
        if (enter->cgroup_ns_fd < 0 && errno != ENOENT && errno != ESRCH)
                return log_error_errno(errno, "cannot open '%s' of container '%s': %m", path, state->name);
        if (enter->cgroup_ns_fd < 0 || pidfd_send_signal(enter->leader_fd, 0, NULL, 0) < 0)
                return log_ended(state);
        return 0;
}

static int open_unit(const State *state) {
        int fd = cgroup_open_parent(state->cgroup);

        if (fd == -EBADMSG)
                return log_error_errno(fd, "the state of container '%s' names no control group",
                                       state->name);
        if (fd < 0)
                return log_error_errno(fd,
                                       "cannot open what holds the control group '%s' of container '%s': %m",
                                       state->cgroup, state->name);
        return fd;
}

int enter_open(const char *name, Enter *ret) {
        _cleanup_enter_ Enter enter = ENTER_NONE;
        int r;

        r = open_state(name, &enter.state);
        if (r < 0)
                return r;
        enter.leader_fd = r = state_open_leader(&enter.state);
        if (r == -ESRCH)
                return log_ended(&enter.state);
        if (r < 0)
                return log_error_errno(r, "cannot open the leader of container '%s': %m", name);
        r = open_leader(&enter);
        if (r < 0)
                return r;
        enter.unit_fd = enter.group_fd = r = open_unit(&enter.state);
        if (r < 0)
                return r;
        *ret = enter;
        enter = ENTER_NONE;
        return 0;
}

/* 1 if file below dir_fd holds the line, 0 if not. */
static int file_has_line(int dir_fd, const char *path, const char *line) {
        _cleanup_close_ int fd = -EBADF;
        char text[512], *rest = text, *l;
        ssize_t n;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        while ((l = strsep(&rest, "\n")))
                if (streq(l, line))
                        return 1;
        return 0;
}

/* A new cgroup below a frozen one is born frozen, so its own events tell of all above it, the freezing that is still
 * under way included. Only payload's own request must be asked for, and from a scope, which is not below it, the unit's. */
static int check_frozen(const Enter *enter) {
        char path[NAME_MAX + sizeof("/cgroup.freeze")];
        int r;

        snprintf(path, sizeof(path), "%s/cgroup.freeze", strrchr(enter->state.cgroup, '/') + 1);
        r = file_has_line(enter->unit_fd, path, "1");
        if (r == 0 && enter->group_fd != enter->unit_fd)
                r = file_has_line(enter->unit_fd, "cgroup.freeze", "1");
        if (r == 0)
                r = file_has_line(enter->cgroup_fd, "cgroup.events", "frozen 1");
        if (r == -ENOENT || r == -ENODEV) /* of payload; our own may have been swept: nothing is in it */
                return faccessat(enter->unit_fd, path, F_OK, 0) < 0 ? log_ended(&enter->state) : 0;
        if (r < 0)
                return log_error_errno(r, "cannot tell whether container '%s' is frozen: %m",
                                       enter->state.name);
        if (r > 0)
                return log_error_errno(EBUSY,
                                       "container '%s' is frozen, a command would hang in it; "
                                       "thaw it first: berth thaw %s",
                                       enter->state.name, enter->state.name);
        return 0;
}

int enter_name_cgroup(Enter *enter) {
        uint32_t number;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return log_error_errno(errno, "cannot get random bytes: %m");
        snprintf(enter->cgroup, sizeof(enter->cgroup), ENTER_PREFIX "%d-%08x", getpid(), number);
        return 0;
}

int enter_make_cgroup(Enter *enter) {
        int r;

        enter->cgroup_fd = r = cgroup_make(enter->group_fd, enter->cgroup);
        if (r < 0)
                return log_error_errno(r, "cannot make control group '%s' in the unit of container '%s': %m",
                                       enter->cgroup, enter->state.name);
        r = check_frozen(enter);
        if (r < 0)
                (void) unlinkat(enter->group_fd, enter->cgroup, AT_REMOVEDIR);
        return r;
}

pid_t enter_clone(int unit_fd, const char *name, int cgroup_fd, int exit_signal, int *ret_pidfd) {
        int pidfd = -EBADF;
        struct clone_args args = {
                .flags = CLONE_INTO_CGROUP | (ret_pidfd ? CLONE_PIDFD : 0),
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .exit_signal = (uint64_t) exit_signal,
        };

        for (unsigned i = 0; i < CGROUP_RETRIES; i++) {
                _cleanup_close_ int made_fd = -EBADF;
                pid_t pid;

                if (i > 0 || cgroup_fd < 0)
                        cgroup_fd = made_fd = cgroup_make(unit_fd, name);
                if (cgroup_fd == -ENOENT) /* swept between its making and its opening */
                        continue;
                if (cgroup_fd < 0)
                        return cgroup_fd;
                args.cgroup = (uint64_t) cgroup_fd;
                pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
                if (pid == 0)
                        return 0;
                if (pid > 0) {
                        if (ret_pidfd)
                                *ret_pidfd = pidfd;
                        return pid;
                }
                if (errno != ENODEV && errno != ENOENT)
                        return -errno;
        }
        return -EBUSY;
}

void enter_sweep(int unit_fd) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;

        if (directory_open(unit_fd, ".", 0, &dir) < 0)
                return;
        while (directory_next(dir, &entry) > 0) {
                const char *maker = startswith(entry->d_name, ENTER_PREFIX);
                long pid = maker ? strtol(maker, NULL, 10) : 0;

                /* A pid that is somebody else's by now only puts it off. */
                if (pid > 0 && kill((pid_t) pid, 0) < 0 && errno == ESRCH)
                        (void) unlinkat(unit_fd, entry->d_name, AT_REMOVEDIR); /* EBUSY: lives */
        }
}

int enter_kill(int unit_fd) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r, ended = 0;

        r = directory_open(unit_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                _cleanup_close_ int fd = -EBADF;
                int k;

                if (!streq(entry->d_name, CGROUP_PAYLOAD) && !startswith(entry->d_name, ENTER_PREFIX))
                        continue;
                fd = openat(unit_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                k = fd < 0 ? 0 : cgroup_kill(fd);
                /* Whoever is cloned into a group that was killed once is killed at once by some kernels (6.18, tried). */
                (void) unlinkat(unit_fd, entry->d_name, AT_REMOVEDIR);
                if (k < 0)
                        ended = k;
        }
        return r < 0 ? r : ended;
}

static int read_oom_score(const char *path, char text[static 16]) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, 15);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        return 0;
}

/* The limits are what the unit's Limit*= directives gave the leader; otherwise the caller's would hold inside. */
static int read_limits(Enter *enter) {
        pid_t pid = enter->state.pid;
        char path[64], own[16];
        int r;

        for (int resource = 0; resource < RLIM_NLIMITS; resource++)
                if (prlimit(pid, (enum __rlimit_resource) resource, NULL, &enter->limits[resource]) < 0)
                        return -errno;
        snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
        r = read_oom_score(path, enter->oom_score);
        if (r >= 0)
                r = read_oom_score("/proc/self/oom_score_adj", own);
        if (r >= 0 && streq(enter->oom_score, own))
                enter->oom_score[0] = '\0';
        return r;
}

int enter_read_limits(Enter *enter) {
        int r = read_limits(enter);

        if (r == -ESRCH || r == -ENOENT)
                return log_ended(&enter->state);
        return r < 0 ? log_error_errno(r, "cannot read the limits of container '%s': %m", enter->state.name)
                     : 0;
}

/* A command must not outlive the container in an OOM because sshd's protection was inherited. */
static int take_limits(const Enter *enter) {
        for (int resource = 0; resource < RLIM_NLIMITS; resource++)
                if (setrlimit((enum __rlimit_resource) resource, &enter->limits[resource]) < 0)
                        return -errno;
        return enter->oom_score[0] == '\0'
                               ? 0
                               : write_string_at(AT_FDCWD, "/proc/self/oom_score_adj", enter->oom_score);
}

int enter_join(const Enter *enter) {
        int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
        const State *state = &enter->state;
        /* They were read by pid. If that was somebody else's by then, setns() by pidfd fails. */
        int r = take_limits(enter);

        if (r < 0)
                return log_error_errno(r, "cannot take the limits of container '%s': %m", state->name);
        /* setns(2): joining the namespaces one is in is fine, but for the user namespace */
        if (state->uid_count > 0)
                flags |= CLONE_NEWUSER;
        if (setns(enter->leader_fd, flags) < 0)
                return errno == ESRCH ? log_ended(state)
                                      : log_error_errno(errno, "cannot join container '%s': %m",
                                                        state->name);
        return 0;
}

int enter_join_cgroup_namespace(const Enter *enter) {
        return setns(enter->cgroup_ns_fd, CLONE_NEWCGROUP) < 0 ? -errno : 0;
}
