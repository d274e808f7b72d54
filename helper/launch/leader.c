/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/leader.h"

#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <linux/capability.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/command.h"
#include "helper/container/confine.h"
#include "helper/container/user.h"
#include "helper/launch/hand-over.h"
#include "helper/launch/init.h"
#include "helper/launch/namespaces.h"
#include "helper/launch/streams.h"

/* Waits for the launcher's word. It can die at any moment: then so do we. */
static int wait_for(const Leader *leader, char word) {
        char byte;
        ssize_t n;

        do
                n = read(leader->go_fd, &byte, 1);
        while (n < 0 && errno == EINTR);
        return n == 1 && byte == word ? 0 : -ECONNRESET;
}

static int become_root(const Leader *leader) {
        /* Before anything is mounted: until now we are a host uid that the map does not have, and an overlay made
         * by such comes up read-only (tried). */
        if (leader->own_users &&
            (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
                return log_error_errno(errno, "cannot become root of the container: %m");
        /* What a container may ptrace it may look into, and write: the init has all capabilities, and the host's files,
         * until it has let go of them. Not before the change of ids, which can undo it: fs.suid_dumpable in proc(5). */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return log_error_errno(errno, "cannot become unreadable for the container: %m");
        return 0;
}

static int report_user(const Leader *leader, const User *user) {
        LeaderReport report = { .uid = user->uid, .gid = user->gid, .n_groups = user->n_groups };
        int r;

        r = write_fd(leader->report_fd, &report, sizeof(report));
        return r < 0 ? r : write_fd(leader->report_fd, user->groups, user->n_groups * sizeof(gid_t));
}

static int resolve_user(const Leader *leader, User *ret) {
        const char *user = leader->user, *group = leader->group;
        int r;

        r = user_resolve(leader->root.fd, user, group, ret);
        if (r < 0)
                return log_error_errno(r, "%s '%s': %s", r == -ENXIO || !user ? "group" : "user",
                                       r == -ENXIO || !user ? (group ? group : "") : user, user_strerror(r));
        for (char *const *name = leader->plan->groups; name && *name; name++) {
                r = user_add_group(leader->root.fd, *name, ret);
                if (r < 0)
                        return log_error_errno(r, "group '%s': %s", *name, user_strerror(r));
        }
        return 0;
}

static int set_hostname(const Leader *leader) {
        const char *hostname = leader->plan->hostname;

        if (sethostname(hostname, strlen(hostname)) < 0)
                return log_error_errno(errno, "cannot set the host name '%s': %m", hostname);
        return 0;
}

/* Undoes what the launcher needed for itself. */
static int reset_files(const Leader *leader) {
        struct rlimit files = { .rlim_cur = leader->soft_files, .rlim_max = leader->hard_files };

        return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

/* What a service manager set for us and a program does not expect to inherit. */
static int reset_process(const Leader *leader) {
        sigset_t none;

        (void) signal(SIGPIPE, SIG_DFL); /* systemd ignores it, IgnoreSIGPIPE= in systemd.exec(5) */
        sigemptyset(&none);
        if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
                return -errno;
        umask(leader->umask);
        return reset_files(leader);
}

/* Closes from first on all but those kept, now and not at exec: image, layer and mounts of the launcher would stay
 * reachable through /proc/self/fd, as a working directory for one. */
static int keep_only(int first, const int *keep, size_t n) {
        for (size_t done = 0; done < n; done++) {
                int next = INT32_MAX;

                for (size_t i = 0; i < n; i++)
                        if (keep[i] >= first && keep[i] < next)
                                next = keep[i];
                if (next == INT32_MAX)
                        break;
                if (next > first && close_range((unsigned) first, (unsigned) next - 1, 0) < 0)
                        return -errno;
                first = next + 1;
        }
        return close_range((unsigned) first, ~0U, 0) < 0 ? -errno : 0;
}

/* What the service manager tells a service whom it listens to, as the container counts. */
static int set_notify(Leader *leader) {
        char text[64];
        int r;

        if (!leader->root.notify)
                return 0;
        r = strv_env_set(&leader->env, "NOTIFY_SOCKET=" NOTIFY_PATH);
        if (r < 0 || leader->watchdog_usec == 0)
                return r;
        snprintf(text, sizeof(text), "WATCHDOG_USEC=%" PRIu64, leader->watchdog_usec);
        r = strv_env_set(&leader->env, text);
        if (r < 0)
                return r;
        snprintf(text, sizeof(text), "WATCHDOG_PID=%d", getpid());
        return strv_env_set(&leader->env, text);
}

/* The last steps of the process that becomes the command. */
static int become_command(Leader *leader, const User *user) {
        const Confinement confinement = {
                .user = user,
                .capabilities = leader->capabilities,
                .ambient = leader->plan->ambient_capabilities,
                .no_new_privs = leader->plan->no_new_privs,
                .bounded = true, /* by build() */
                .filter = leader->filter,
        };
        int r;

        r = confine_apparmor(leader->host_proc_fd, leader->plan->apparmor_profile);
        if (r < 0) {
                log_error_errno(r, "cannot enter the AppArmor profile '%s': %m; is it loaded?",
                                leader->plan->apparmor_profile);
                return EXIT_BERTH;
        }
        r = user_fill_env(user, &leader->env);
        if (r < 0)
                return log_oom(), EXIT_BERTH;
        r = reset_process(leader);
        if (r >= 0)
                r = keep_only(STDERR_FILENO + 1 + (int) leader->sockets.n, &leader->report_fd, 1);
        if (r >= 0)
                r = sockets_give(&leader->sockets, &leader->env);
        if (r >= 0)
                r = set_notify(leader);
        if (r >= 0)
                r = confine_apply(&confinement);
        if (r < 0) {
                log_error_errno(r, "cannot confine the command: %m");
                return EXIT_BERTH;
        }
        r = command_chdir(leader->directory); /* as the user: what it may not enter, it does not start in */
        if (r < 0) {
                log_error_errno(r, "cannot enter the working directory '%s': %m", leader->directory);
                return EXIT_BERTH;
        }
        if (leader->plan->foreground)
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        r = confine_seal(&confinement);
        if (r < 0) {
                log_error_errno(r, "cannot load the system call filter: %m");
                return EXIT_BERTH;
        }
        r = command_exec(leader->command, leader->env);
        log_error_errno(r, "cannot execute '%s': %m", leader->command[0]);
        return command_exit_status(r);
}

/* The exit status goes through the pipe as well: to the launcher an end without a byte is an exec that worked. */
static int fail(const Leader *leader, int status) {
        char byte = (char) status;

        (void) write_fd(leader->report_fd, &byte, 1);
        return status;
}

static int take_streams(const InitStreams *streams) {
        log_keep_levels();
        for (int i = 0; i < 2; i++)
                if (streams->to[i] >= 0 && dup2(streams->to[i], STDOUT_FILENO + i) < 0)
                        return -errno;
        return 0;
}

static int run_child(Leader *leader, const User *user, const InitStreams *streams) {
        int r = setsid() < 0 ? -errno : take_streams(streams);

        if (r < 0) {
                log_error_errno(r, "cannot prepare the command: %m");
                return fail(leader, EXIT_BERTH);
        }
        return fail(leader, become_command(leader, user));
}

/* There may be secrets in it, and what stays in memory may be swapped out. */
static void forget_environment(char **env) {
        for (; env && *env; env++)
                explicit_bzero(*env, strlen(*env));
}

static int become_init(Leader *leader, const User *user) {
        Init init = { .stop_signal = leader->stop_signal,
                      .watch_fd = leader->go_fd,
                      .notify = leader->notify };
        InitStreams *streams = &init.streams;
        int r = 0;

        if (leader->plan->host_pids && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                r = -errno; /* what PID 1 of a namespace is anyway */
        if (r >= 0)
                r = init_open_streams(user, streams);
        /* Before the command runs, which may look at its init: with CAP_SYS_PTRACE, where it shares the host's users. */
        if (r >= 0)
                r = keep_only(STDERR_FILENO + 1 + (int) leader->sockets.n,
                              (const int[]){ streams->from[0], streams->from[1], streams->to[0],
                                             streams->to[1], leader->go_fd, leader->report_fd,
                                             leader->host_proc_fd, init.notify.from_fd, init.notify.to_fd },
                              9);
        if (r < 0) {
                log_error_errno(r, "cannot prepare the init: %m");
                return fail(leader, EXIT_BERTH);
        }
        if (leader->command[0]) {
                init.pid = fork();
                if (init.pid < 0) {
                        log_error_errno(errno, "cannot make a process: %m");
                        return fail(leader, EXIT_BERTH);
                }
                if (init.pid == 0)
                        return run_child(leader, user, streams);
        }
        command_rename(leader->argv, "berth-init"); /* at once: the command runs already */
        forget_environment(leader->env);
        init.notify.uid = user->uid;
        r = keep_only(STDERR_FILENO + 1,
                      (const int[]){ streams->from[0], streams->from[1], leader->go_fd, init.notify.from_fd,
                                     init.notify.to_fd },
                      5);
        /* Commands of exec have the init's limits. Below that one poll(2) would refuse to wait for its files. */
        if (r >= 0 && leader->soft_files >= INIT_FILES)
                r = reset_files(leader);
        if (r >= 0)
                r = confine_init(UINT64_C(1) << CAP_KILL);
        if (r < 0) {
                log_error_errno(r, "cannot confine the init: %m");
                return EXIT_BERTH;
        }
        if (leader->plan->foreground)
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        return init_run(&init);
}

/* Does the launcher have to know the user before the mounts are ready? */
static bool needs_user_for_mounts(const Leader *leader) {
        const Plan *plan = leader->plan;

        for (size_t i = 0; i < plan->n_mounts; i++)
                if (plan->mounts[i].id_auto)
                        return true;
        return leader->root.secrets_fd >= 0;
}

/* What needs none of the container's ids, which the launcher maps at the same time. */
static int begin(const Leader *leader, NetworkMaker *maker) {
        int r;

        if (leader->own_network)
                namespaces_begin_network(maker, strv_contains(leader->plan->controllers, "pids"));
        (void) setsid();
        /* a unit has one of its own: KeyringMode= in systemd.exec(5) */
        r = leader->plan->foreground ? confine_keyring() : 0;
        if (r < 0)
                return log_error_errno(r, "cannot leave the caller's keyring: %m");
        return set_hostname(leader);
}

static int join_network(const Leader *leader, NetworkMaker *maker) {
        int r = leader->own_network ? namespaces_join_network(maker) : 0;

        return r < 0 ? log_error_errno(r, "cannot %s: %m", maker->step) : 0;
}

static int wait_for_memory(Root *root, int go_fd) {
        int fds[LEADER_SECOND], r;

        r = hand_over_receive(go_fd, 'D', fds, LEADER_SECOND);
        if (r < 0)
                return r;
        root->device_fd = fds[0];
        root->run_fd = fds[1];
        root->tmp_fd = fds[2];
        root->shm_fd = fds[3];
        return 0;
}

/* At a moment when we would wait for the network. */
static int bound_command(const Leader *leader) {
        int r = confine_bounding(leader->capabilities);

        return r < 0 ? log_error_errno(r, "cannot drop capabilities: %m") : 0;
}

/* First what needs neither the network nor what the launcher makes in memory, both of which take their time. */
static int build(Leader *leader, NetworkMaker *maker, User *ret_user) {
        Root *root = &leader->root;
        bool waits = needs_user_for_mounts(leader);
        int r;

        r = become_root(leader);
        if (r >= 0)
                r = root_overlay(root);
        if (r >= 0)
                r = resolve_user(leader, ret_user);
        /* Once we have reported, the launcher writes sysctls into the network that we have then. */
        if (r >= 0 && leader->plan->sysctls)
                r = join_network(leader, maker);
        if (r >= 0)
                r = report_user(leader, ret_user);
        if (r >= 0)
                r = root_fill_first(root);
        if (r >= 0)
                r = bound_command(leader);
        if (r >= 0 && !leader->plan->sysctls)
                r = join_network(leader, maker);
        if (r >= 0)
                r = root_fill_kernel(root);
        if (r >= 0)
                r = wait_for_memory(root, leader->go_fd);
        if (r >= 0 && waits)
                r = wait_for(leader, 'M');
        if (r >= 0)
                r = root_fill(root);
        if (r >= 0)
                r = root_enter(root);
        /* Not before all is written down that others have to know does the command run. */
        if (r >= 0 && !waits)
                r = wait_for(leader, 'M');
        return r;
}

/* To go on, with what has been made in the meantime. */
static int wait_for_go(Leader *leader) {
        int fds[LEADER_FIRST], r;

        r = hand_over_receive(leader->go_fd, 'G', fds, LEADER_FIRST);
        if (r < 0)
                return r;
        leader->root.etc_fd = fds[0];
        leader->root.layer_fd = fds[1];
        leader->lock_fd = fds[2];
        return 0;
}

int leader_run(Leader *leader) {
        _cleanup_user_ User user = {};
        NetworkMaker maker;
        int r = begin(leader, &maker);

        if (wait_for_go(leader) < 0)
                return EXIT_BERTH;
        if (r < 0 || build(leader, &maker, &user) < 0)
                return fail(leader, EXIT_BERTH);
        r = streams_take_null(leader->root.device_fd);
        if (r < 0) {
                log_error_errno(r, "cannot open the container's /dev/null: %m");
                return fail(leader, EXIT_BERTH);
        }
        if (leader->plan->init) {
                leader->notify.from_fd = leader->root.notify_fd;
                return become_init(leader, &user);
        }
        return fail(leader, become_command(leader, &user));
}
