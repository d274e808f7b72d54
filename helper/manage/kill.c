/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/signals.h"
#include "helper/manage/call.h"
#include "helper/manage/process.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth kill NAME [PID]: a signal to a process of a container, or to its leader. */

/* The process that is meant. */
typedef struct Target {
        const Running *running;
        pid_t wanted;   /* its number inside */
        ProcessIds ids; /* of what was found */
        int pidfd;
} Target;

/* proc_fd is older than the pidfd: what can be read there after that is of the process that both are of. */
static int look(int proc_fd, pid_t pid, void *userdata) {
        _cleanup_close_ int pidfd = -EBADF;
        Target *target = userdata;
        ProcessIds ids;
        int r;

        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0)
                return errno == ESRCH ? 0 : -errno;
        r = process_read_ids(proc_fd, &ids);
        if (r < 0)
                return r;
        if (ids.n_pids <= target->running->level || ids.pids[target->running->level] != target->wanted)
                return 0;
        target->ids = ids;
        target->pidfd = TAKE_FD(pidfd);
        return 1;
}

static int find_process(Target *target, const char *pid) {
        const char *name = target->running->item.state.name;
        uint32_t number;
        int r;

        if (parse_uint32(pid, &number) < 0 || number == 0 || number > INT32_MAX) {
                log_error("'%s' is not a process id, see berth top %s", pid, name);
                return EXIT_USAGE;
        }
        target->wanted = (pid_t) number;
        r = running_for_each(target->running, look, target);
        if (r < 0)
                return log_error_errno(r, "cannot list the processes of container '%s': %m", name),
                       EXIT_FAILED;
        if (target->pidfd >= 0)
                return EXIT_DONE;
        log_error("container '%s' has no process %s, see berth top %s", name, pid, name);
        return EXIT_FAILED;
}

/* The proc_fd of the container is the leader's. */
static int find_leader(Target *target) {
        const Running *running = target->running;
        int r = process_read_ids(running->proc_fd, &target->ids);

        target->pidfd = r < 0 ? r : fcntl(running->leader_fd, F_DUPFD_CLOEXEC, 3);
        if (target->pidfd >= 0)
                return EXIT_DONE;
        log_error_errno(r < 0 ? r : errno, "cannot look at the leader of container '%s': %m",
                        running->item.state.name);
        return EXIT_FAILED;
}

static void print_sent(const Target *target, int signal_number) {
        _cleanup_json_ json_object *object = json_object_new_object();
        const char *abbreviated = sigabbrev_np(signal_number);
        char number[16];

        snprintf(number, sizeof(number), "%d", signal_number);
        json_add_string(object, "container", target->running->item.state.name);
        json_object_object_add(object, "pid", json_object_new_int(target->ids.pids[target->running->level]));
        json_object_object_add(object, "host_pid", json_object_new_int(target->ids.pids[0]));
        json_add_string(object, "signal", abbreviated ? abbreviated : number);
        print_json(object);
}

static int send_signal(const Running *running, const char *pid, int signal_number, bool json) {
        Target target = { .running = running, .pidfd = -EBADF };
        _cleanup_close_ int pidfd = -EBADF;
        int status = pid ? find_process(&target, pid) : find_leader(&target);

        pidfd = target.pidfd;
        if (status != EXIT_DONE)
                return status;
        if (pidfd_send_signal(pidfd, signal_number, NULL, 0) < 0)
                return log_error_errno(errno, "cannot signal %s of container '%s': %m",
                                       pid ? pid : "the leader", running->item.state.name),
                       EXIT_FAILED;
        if (json)
                print_sent(&target, signal_number);
        return EXIT_DONE;
}

int verb_kill(int argc _unused_, char *argv[]) {
        _cleanup_running_ Running running = RUNNING_NONE;
        _cleanup_call_ Call call = {};
        int signal_number = SIGTERM, r;
        const char *text;

        r = call_read("kill", argv, 1, 2, &call);
        if (r >= 0)
                return r;
        text = call_value(&call, KILL_SIGNAL);
        if (text && signal_parse(text, &signal_number) < 0) {
                log_error("--signal=%s: expected a signal, like TERM, SIGKILL or 9", text);
                return EXIT_USAGE;
        }
        r = running_open(call.operands[0], &running);
        return r >= 0 ? r
                      : send_signal(&running, call.operands[1], signal_number, call_has(&call, KILL_JSON));
}
