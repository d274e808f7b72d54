/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The story of a launch. Everything that is there is checked and opened first; then one clone makes the leader, which has its
 * network made beside it and waits. Meanwhile we make what it will stack, map its ids and make it known to systemd as the
 * unit's main process, before it takes its first step towards the command, so that not even a leader that fails at once loses
 * its exit status (tried). While it builds its root we make what it mounts below; then it runs, and we leave. */

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "helper/container/cgroup.h"
#include "helper/container/enter.h"
#include "helper/container/mount.h"
#include "helper/container/notify.h"
#include "helper/container/range.h"
#include "helper/container/selfexec.h"
#include "helper/container/state.h"
#include "helper/launch/foreground.h"
#include "helper/launch/hand-over.h"
#include "helper/launch/idmap.h"
#include "helper/launch/init.h"
#include "helper/launch/layer.h"
#include "helper/launch/leader.h"
#include "helper/launch/namespaces.h"
#include "helper/launch/plan.h"
#include "helper/launch/prepare-roots.h"
#include "helper/launch/prepare.h"
#include "helper/launch/setup.h"
#include "helper/launch/sockets.h"
#include "helper/launch/streams.h"
#include "helper/launch/successor.h"
#include "helper/launch/sysctls.h"
#include "helper/launch/unsupported.h"
#include "helper/verbs/verbs.h"

#define BARRIER_TIMEOUT_MS 30000
#define END_TIMEOUT_MS     30000

/* Is uid 0 inside the host's root to the kernel's files, whatever its capabilities? */
static bool sees_host_root(const Plan *plan) {
        switch (plan->private_users) {
        case PRIVATE_USERS_PICK:
                return false;
        case PRIVATE_USERS_RANGE:
                return plan->uid_base == 0;
        case PRIVATE_USERS_IDENTITY:
        case PRIVATE_USERS_NO:
                return true;
        }
        return true;
}

static int run_leader(Launch *launch) {
        Leader *leader = &launch->leader;

        launch->go_fd = close_fd(launch->go_fd);
        launch->report_fd = close_fd(launch->report_fd);
        secrets_forget(&launch->secrets);
        leader->plan = &launch->plan;
        leader->user = launch->state.user[0] ? launch->state.user : NULL;
        leader->group = launch->group;
        leader->directory = launch->state.working_directory;
        leader->stop_signal = launch->plan.kill_signal > 0 ? launch->plan.kill_signal
                                                           : launch->image.metadata.stop_signal;
        leader->command = launch->command;
        leader->env = launch->env;
        leader->capabilities = launch->state.capabilities;
        leader->host_proc_fd = launch->host_proc_fd;
        leader->filter = (Filter){
                .restrict_suid_sgid = launch->state.restrict_suid_sgid,
                .network = launch->state.capabilities & (UINT64_C(1) << CAP_NET_ADMIN),
                .replaces = launch->state.filter_replaces,
                .program = launch->state.filter,
                .size = launch->state.filter_size,
        };
        leader->own_users = launch->plan.private_users != PRIVATE_USERS_NO;
        leader->own_network = launch->plan.network != NETWORK_HOST;
        leader->argv = launch->argv;
        leader->go_fd = launch->theirs[0];
        leader->report_fd = launch->theirs[1];
        leader->root = (Root){
                .plan = &launch->plan,
                .image_fd = launch->plan.image ? launch->image_fd : launch->profile.fd,
                .binds = launch->profile.binds,
                .n_binds = launch->profile.n_binds,
                .layer_fd = -EBADF, /* these come by hand_over_send() */
                .etc_fd = -EBADF,
                .device_fd = -EBADF,
                .run_fd = -EBADF,
                .tmp_fd = -EBADF,
                .shm_fd = -EBADF,
                .sys_fd = launch->sys_fd,
                .pids_fd = launch->pids_fd,
                .mqueue_fd = launch->mqueue_fd,
                .mount_fds = launch->mount_fds,
                .etc = launch->etc,
                .n_etc = launch->n_etc,
                .notify = launch->notify_fd >= 0 || (launch->plan.init && leader->notify.to_fd >= 0 &&
                                                     launch->plan.notify == NOTIFY_YES),
                .notify_fd = launch->notify_fd,
                .secrets_fd = launch->secrets.fd,
                .host_root = sees_host_root(&launch->plan),
                .small = launch->plan.private_users == PRIVATE_USERS_RANGE && launch->plan.uid_count < 6,
                .fd = -EBADF,
                .proc_fd = -EBADF,
        };
        return leader_run(leader);
}

static int clone_leader(Launch *launch) {
        const Clone how = {
                .new_user = launch->plan.private_users != PRIVATE_USERS_NO,
                .host_ipc = launch->plan.host_ipc,
                .host_pids = launch->plan.host_pids,
                .sibling = !launch->plan.foreground,
                .cgroup_fd = launch->payload_fd,
        };
        sigset_t before;
        pid_t pid;

        /* What the PID 1 of a namespace has no handler for yet is dropped by the kernel, and a stop would wait for its
         * timeout: it comes when the leader can take it. */
        if (sigprocmask(SIG_BLOCK, NULL, &before) < 0 || init_block_signals() < 0)
                return log_error_errno(errno, "cannot block signals: %m");
        pid = namespaces_clone(&how, &launch->pidfd);
        if (pid == 0)
                _exit(run_leader(launch));
        (void) sigprocmask(SIG_SETMASK, &before, NULL);
        if (pid < 0)
                return log_error_errno(pid, "cannot make the namespaces of the container: %m");
        launch->state.pid = pid;
        launch->theirs[0] = close_fd(launch->theirs[0]);
        launch->theirs[1] = close_fd(launch->theirs[1]);
        return 0;
}

/* Those that are to be the user's can be mapped when it is known who that is. */
static int map_mounts(const Launch *launch, int userns_fd, bool automatic) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < launch->plan.n_mounts; i++)
                if (launch->plan.mounts[i].id_auto == automatic)
                        r = idmap_mount(&launch->plan.mounts[i], &launch->state, launch->mount_fds[i],
                                        userns_fd);
        return r;
}

static int map_roots(const Launch *launch, int userns_fd) {
        int r;

        if (!launch->plan.image)
                return 0; /* a profile's is made for its owner, and the host's files belong to nobody inside */

        r = mount_map_ids(launch->image_fd, userns_fd);
        if (r < 0)
                return idmap_failed(&launch->state, r, launch->image_fd, false, "image", launch->plan.image);
        r = launch->layer_fd < 0 ? 0 : mount_map_ids(launch->layer_fd, userns_fd);
        return r < 0 ? idmap_failed(&launch->state, r, launch->layer_fd, false, "layer directory",
                                    BERTH_DATA_DIR "/layers")
                     : 0;
}

static int say(const Launch *launch, char word) {
        return write_fd(launch->go_fd, &word, 1);
}

static int say_go(const Launch *launch) {
        const int fds[LEADER_FIRST] = { launch->etc_fd, launch->layer_fd, launch->lock_fd };
        int r = hand_over_send(launch->go_fd, 'G', fds, LEADER_FIRST);

        return r < 0 ? log_error_errno(r, "cannot speak to the leader: %m") : 0;
}

/* To a leader that may have failed by now, and has logged why. */
static int say_made(const Launch *launch) {
        const int fds[LEADER_SECOND] = { launch->device_fd, launch->run_fd, launch->tmp_fd, launch->shm_fd };

        return hand_over_send(launch->go_fd, 'D', fds, LEADER_SECOND);
}

static int introduce(const Launch *launch, int *ret_barrier_fd) {
        char text[64];
        int r;

        if (launch->plan.foreground)
                return 0;
        snprintf(text, sizeof(text), "MAINPID=%d", launch->state.pid);
        r = notify_send(0, text);
        if (r >= 0)
                r = notify_barrier();
        if (r < 0)
                return log_error_errno(r, "cannot tell systemd of the leader: %m");
        *ret_barrier_fd = r;
        return 0;
}

/* Without this systemd could read of the leader when its command has ended already, and drop its status. What the leader
 * does before it runs that goes on meanwhile: if it fails, we do so with the same status. */
static int await_introduction(int barrier_fd) {
        int r = barrier_fd < 0 ? 0 : notify_barrier_wait(barrier_fd, BARRIER_TIMEOUT_MS);

        return r < 0 ? log_error_errno(r, "cannot tell systemd of the leader: %m") : 0;
}

/* Reads n bytes of the report; 0: all there, 1: the pipe ended before the first. */
static int read_report(const Launch *launch, void *data, size_t n) {
        size_t done = 0;

        while (done < n) {
                ssize_t k = read(launch->report_fd, (char *) data + done, n - done);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        return done == 0 ? 1 : -EPIPE;
                done += (size_t) k;
        }
        return 0;
}

/* Does the container have the ids that its command is to run with? */
static int check_ids(const State *state) {
        uint32_t highest = MAX(state->uid, state->gid);

        for (size_t i = 0; i < state->n_groups; i++)
                highest = MAX(highest, state->groups[i]);
        if (state->uid_count == 0 || highest < state->uid_count)
                return 0;
        return log_error_errno(
                        ERANGE,
                        "the command would run with the id %u, but the container has only %u of them, from "
                        "0 on; choose another user or group, or a greater range with PrivateUsers=",
                        highest, state->uid_count);
}

/* Who the leader found itself to be; its network is its own by now. A short report is its exit status. */
static int receive_user(Launch *launch) {
        State *state = &launch->state;
        LeaderReport report;
        int r;

        r = read_report(launch, &report, sizeof(report));
        if (r != 0)
                return -ECANCELED; /* it has logged why */
        state->uid = report.uid;
        state->gid = report.gid;
        state->groups = calloc(report.n_groups, sizeof(gid_t));
        if (!state->groups)
                return log_oom();
        state->n_groups = report.n_groups;
        r = read_report(launch, state->groups, report.n_groups * sizeof(gid_t));
        return r == 0 ? check_ids(state) : -ECANCELED;
}

static int save_state(Launch *launch) {
        State *state = &launch->state;
        int r;

        r = state_start_time(state->pid, &state->start_time);
        if (r >= 0)
                r = state_namespace(state->pid, "pid", &state->pid_ns);
        if (r >= 0)
                r = state_namespace(state->pid, "user", &state->user_ns);
        if (r >= 0)
                r = state_write(state, launch->argv);
        return r < 0 ? log_error_errno(r, "cannot write '%s/%s': %m", BERTH_CONTAINER_DIR, state->name) : 0;
}

/* A command that has ended already may have had its state removed. */
static int publish_state(const Launch *launch) {
        int r = state_publish(launch->state.name);

        return r < 0 && r != -ENOENT ? log_error_errno(r, "cannot write '%s/%s': %m", BERTH_CONTAINER_DIR,
                                                       launch->state.name)
                                     : 0;
}

/* Who reported a failure is about to end. An init that found us gone before it has reaped that one would end with
 * our status in the place of its (tried). */
static void await_end(const Launch *launch) {
        struct pollfd wait = { .fd = launch->pidfd, .events = POLLIN };

        (void) say(launch, 'R');
        while (poll(&wait, 1, END_TIMEOUT_MS) < 0 && errno == EINTR)
                ;
}

/* From the leader that waits to the command that runs. */
static int set_off(Launch *launch) {
        _cleanup_close_ int userns_fd = -EBADF, barrier_fd = -EBADF;
        char status;
        int r;

        r = prepare_rest(launch);
        if (r < 0)
                return r;
        if (launch->plan.private_users != PRIVATE_USERS_NO) {
                r = namespaces_map(launch->state.pid, launch->state.uid_base, launch->state.uid_count);
                if (r < 0)
                        return log_error_errno(r, "cannot map the container's ids to %u...: %m",
                                               launch->state.uid_base);
        }
        if (idmap_shifts(&launch->state)) {
                userns_fd = namespaces_open_user(launch->state.pid);
                r = userns_fd < 0 ? log_error_errno(userns_fd, "cannot open the user namespace: %m")
                                  : map_roots(launch, userns_fd);
                if (r < 0)
                        return r;
        }
        r = etc_fill(launch->etc_fd, launch->state.uid_base, launch->state.uid_base, launch->etc,
                     launch->n_etc);
        if (r >= 0)
                r = introduce(launch, &barrier_fd);
        if (r >= 0)
                r = say_go(launch);
        if (r >= 0 && !launch->plan.init && !launch->plan.foreground)
                r = successor_begin(launch, &launch->successor_fd);
        if (r >= 0)
                r = receive_user(launch);
        if (r >= 0)
                r = map_mounts(launch, userns_fd, /* automatic= */ false);
        if (r >= 0)
                r = prepare_memory(launch);
        if (r >= 0)
                r = say_made(launch);
        if (r >= 0)
                r = map_mounts(launch, userns_fd, /* automatic= */ true);
        if (r >= 0)
                r = secrets_fill(&launch->secrets, launch->state.uid_base + launch->state.uid,
                                 launch->state.uid_base + launch->state.gid);
        if (r >= 0)
                r = sysctls_write(launch->pidfd, launch->state.uid_base, launch->plan.sysctls,
                                  launch->plan.network == NETWORK_PRIVATE ||
                                                  launch->plan.network == NETWORK_NONE);
        if (r >= 0)
                r = layer_limit(&launch->plan, launch->lock_fd);
        if (r >= 0)
                r = save_state(launch);
        if (r >= 0)
                r = await_introduction(barrier_fd);
        if (r >= 0 && launch->successor_fd >= 0)
                r = successor_say(launch->successor_fd, 'M');
        if (r >= 0)
                r = say(launch, 'M');
        if (r < 0)
                return r;
        r = read_report(launch, &status, 1);
        if (r == 1)
                return publish_state(launch);
        if (r == 0)
                await_end(launch);
        return -ECANCELED;
}

static int finish_service(Launch *launch) {
        int r;

        r = launch->plan.notify == NOTIFY_NO ? notify_send(launch->state.pid, "READY=1") : 0;
        if (r >= 0)
                r = launch->plan.init ? say(launch, 'R') : successor_say(launch->successor_fd, 'R');
        if (r == -EPIPE || r == -ESRCH)
                return 0; /* it has ended already, and systemd has its status */
        if (r < 0) {
                log_error_errno(r, "cannot tell systemd that the container is ready: %m");
                return EXIT_BERTH;
        }
        return launch->plan.init ? successor_become(launch) : EXIT_DONE;
}

/* --foreground: nobody else releases what lives outside of the leader. */
static void release(Launch *launch) {
        char *slash = launch->state.cgroup ? strrchr(launch->state.cgroup, '/') : NULL;

        if (launch->plan.host_pids && enter_kill(launch->cgroup_fd) < 0)
                return; /* what still uses it is not taken away: berth clean */
        if (launch->layered)
                (void) layer_remove_ephemeral(launch->plan.name);
        (void) range_release(launch->plan.name, launch->state.uid_base);
        (void) state_remove(launch->plan.name);
        if (slash) {
                *slash = '\0'; /* payload's parent is what we have made */
                (void) cgroup_remove(launch->cgroup_fd, strrchr(launch->state.cgroup, '/') + 1);
        }
}

/* Without a pipe's other end a leader that waits for a word ends by itself, with the status of a failed Berth. */
static int give_up(Launch *launch) {
        int status = EXIT_BERTH;

        launch->go_fd = close_fd(launch->go_fd);
        if (!launch->plan.foreground)
                return status;
        if (launch->pidfd >= 0)
                status = foreground_attend(launch->pidfd);
        if (launch->owner)
                release(launch);
        return status;
}

static int finish_foreground(Launch *launch) {
        int status;

        (void) say(launch, 'R');
        prepare_let_go(launch); /* now, while there is nothing to do, and not when our own end is waited for */
        status = foreground_attend(launch->pidfd);
        release(launch);
        return status;
}

static int run(Launch *launch) {
        int r, asked;

        if (launch->plan.foreground)
                foreground_begin();
        r = prepare_launch(launch);
        if (launch->plan.foreground && (asked = foreground_asked()) > 0) {
                (void) give_up(launch);
                return EXIT_SIGNAL_BASE + asked;
        }
        if (r >= 0)
                r = clone_leader(launch);
        if (r >= 0)
                r = set_off(launch);
        if (r < 0)
                return give_up(launch);
        return launch->plan.foreground ? finish_foreground(launch) : finish_service(launch);
}

int verb_launch(int argc, char *argv[]) {
        _cleanup_(prepare_done) Launch launch = prepare_empty();
        int r;

        r = plan_parse(argc, argv, &launch.plan);
        if (r != 0)
                return r < 0 ? EXIT_BERTH : EXIT_DONE;
        if (launch.plan.dry_run) {
                plan_print(stdout, &launch.plan);
                return EXIT_DONE;
        }
        if (unsupported_refuse(&launch.plan) < 0)
                return EXIT_BERTH;
        if (launch.plan.notify == NOTIFY_YES && !launch.plan.init && sees_host_root(&launch.plan)) {
                log_error("Notify=yes with Init=no and PrivateUsers=no or identity would let the container's root speak "
                          "to systemd as the host's; leave one of them out");
                return EXIT_BERTH;
        }
        if (sees_host_root(&launch.plan) && !launch.plan.init && !launch.plan.foreground &&
            streams_lead_to_files()) {
                log_error("the file of StandardOutput= or StandardError= would be in the hands of the container's root, which "
                          "with PrivateUsers=no or identity is the host's; leave it or Init=no out");
                return EXIT_BERTH;
        }
        if (sees_host_root(&launch.plan)) {
                r = selfexec_protect(argv);
                if (r < 0) {
                        log_error_errno(r, "cannot protect berth's own program from the container: %m");
                        return EXIT_BERTH;
                }
        }
        if (streams_protect() < 0)
                return EXIT_BERTH;
        if (launch.plan.setup && (prepare_check(&launch) < 0 || setup_run(&launch.plan, argv) < 0))
                return EXIT_BERTH;
        if (launch.plan.sockets && sockets_take(&launch.leader.sockets) < 0)
                return EXIT_BERTH;
        launch.argv = argv - 1;          /* a verb's argv[0] is the second word of the command line */
        launch.leader.umask = umask(0);  /* modes are meant as they stand in the code */
        (void) signal(SIGPIPE, SIG_IGN); /* a leader that is gone is an errno */
        return run(&launch);
}
