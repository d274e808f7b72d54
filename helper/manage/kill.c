/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/signals.h"
#include "helper/manage/call.h"
#include "helper/manage/process.h"
#include "helper/verbs/verbs.h"

/* berth kill NAME [PID]: a signal to a process of a container, or to its leader. */

typedef struct Search {
        const Running *running;
        pid_t wanted; /* its number inside */
        int pidfd;    /* what was found */
} Search;

/* proc_fd is older than the pidfd: what can be read there after that is of the process that both are of. */
static int look(int proc_fd, pid_t pid, void *userdata) {
        _cleanup_close_ int pidfd = -EBADF;
        Search *search = userdata;
        ProcessIds ids;
        int r;

        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0)
                return errno == ESRCH ? 0 : -errno;
        r = process_in_cgroup(proc_fd, search->running->unit);
        if (r <= 0)
                return r;
        r = process_read_ids(proc_fd, &ids);
        if (r < 0)
                return r;
        if (ids.n_pids <= search->running->level || ids.pids[search->running->level] != search->wanted)
                return 0;
        search->pidfd = TAKE_FD(pidfd);
        return 1;
}

static int send_signal(const Running *running, const char *pid, int signal_number) {
        Search search = { .running = running, .pidfd = -EBADF };
        _cleanup_close_ int found_fd = -EBADF;
        const char *name = running->item.state.name;
        uint32_t number;
        int r;

        if (pid) {
                if (parse_uint32(pid, &number) < 0 || number == 0 || number > INT32_MAX) {
                        log_error("'%s' is no process id, see berth top %s", pid, name);
                        return EXIT_USAGE;
                }
                search.wanted = (pid_t) number;
                r = process_for_each(running->unit_fd, look, &search);
                if (r < 0)
                        return log_error_errno(r, "cannot list the processes of container '%s': %m", name),
                               EXIT_FAILED;
                found_fd = search.pidfd;
        }
        if (pid && found_fd < 0) {
                log_error("container '%s' has no process %s, see berth top %s", name, pid, name);
                return EXIT_FAILED;
        }
        if (pidfd_send_signal(pid ? found_fd : running->leader_fd, signal_number, NULL, 0) < 0)
                return log_error_errno(errno, "cannot signal %s of container '%s': %m",
                                       pid ? pid : "the leader", name),
                       EXIT_FAILED;
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
        return r >= 0 ? r : send_signal(&running, call.operands[1], signal_number);
}
