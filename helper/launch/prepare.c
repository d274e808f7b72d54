/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/prepare.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/cgroup.h"
#include "helper/container/command.h"
#include "helper/container/confine.h"
#include "helper/container/enter.h"
#include "helper/container/environment.h"
#include "helper/container/image.h"
#include "helper/container/mount.h"
#include "helper/container/notify.h"
#include "helper/container/range.h"
#include "helper/launch/filter-own.h"
#include "helper/launch/machine-id.h"
#include "helper/launch/prepare-roots.h"

Launch prepare_empty(void) {
        return (Launch){
                .image = IMAGE_NONE,
                .image_fd = -EBADF,
                .layer_fd = -EBADF,
                .lock_fd = -EBADF,
                .device_fd = -EBADF,
                .etc_fd = -EBADF,
                .sys_fd = -EBADF,
                .pids_fd = -EBADF,
                .run_fd = -EBADF,
                .shm_fd = -EBADF,
                .tmp_fd = -EBADF,
                .mqueue_fd = -EBADF,
                .host_proc_fd = -EBADF,
                .cgroup_fd = -EBADF,
                .notify_fd = -EBADF,
                .leader.notify = NOTIFY_RELAY_NONE,
                .secrets = SECRETS_NONE,
                .profile = PROFILE_ROOT_NONE,
                .payload_fd = -EBADF,
                .pidfd = -EBADF,
                .go_fd = -EBADF,
                .successor_fd = -EBADF,
                .report_fd = -EBADF,
                .theirs = { -EBADF, -EBADF },
        };
}

void prepare_let_go(Launch *launch) {
        int *const fds[] = { &launch->image_fd, &launch->layer_fd, &launch->device_fd, &launch->etc_fd,
                             &launch->sys_fd,   &launch->pids_fd,  &launch->run_fd,    &launch->shm_fd,
                             &launch->tmp_fd,   &launch->mqueue_fd };

        for (size_t i = 0; i < ARRAY_LEN(fds); i++)
                close_fdp(fds[i]);
        for (size_t i = 0; launch->mount_fds && i < launch->plan.n_mounts; i++)
                close_fdp(&launch->mount_fds[i]);
}

void prepare_done(Launch *launch) {
        prepare_let_go(launch);
        free(launch->mount_fds);
        close_fd(launch->lock_fd);
        close_fd(launch->host_proc_fd);
        close_fd(launch->cgroup_fd);
        close_fd(launch->notify_fd);
        secrets_done(&launch->secrets);
        profile_root_done(&launch->profile);
        close_fd(launch->leader.notify.to_fd);
        close_fd(launch->payload_fd);
        close_fd(launch->pidfd);
        close_fd(launch->go_fd);
        close_fd(launch->successor_fd);
        close_fd(launch->report_fd);
        close_fd(launch->theirs[0]);
        close_fd(launch->theirs[1]);
        image_done(&launch->image);
        free(launch->hosts);
        free(launch->hostname_file);
        free(launch->resolv_conf);
        free(launch->localtime);
        strv_free(launch->env);
        strv_free(launch->command);
        state_done(&launch->state);
        plan_done(&launch->plan);
}

static int set_string(char **field, const char *value) {
        return (*field = strdup(value)) ? 0 : log_oom();
}

static int check_caller(const Plan *plan) {
        if (geteuid() != 0)
                return log_error_errno(EPERM, "only root can launch a container");
        if (!plan->foreground && !getenv("NOTIFY_SOCKET"))
                return log_error_errno(
                                EINVAL,
                                "not called by systemd (NOTIFY_SOCKET is not set); use systemctl start, "
                                "or --foreground");
        return 0;
}

/* What a leader in the host's pid namespace has left that was killed, and nobody after him. */
static int end_former(const char *name, int unit_fd) {
        int r = enter_kill(unit_fd);

        return r < 0 ? log_error_errno(r, "cannot end what an earlier start of '%s' has left: %m", name) : 0;
}

/* A leader that lives under this name, as a second launch by hand would find. */
static int check_not_running(const Plan *plan) {
        _cleanup_close_ int leader_fd = -EBADF, unit_fd = -EBADF;
        _cleanup_state_ State state = {};
        int r;

        r = state_read(plan->name, &state);
        if (r == -EBADMSG && plan->foreground) /* a unit's start systemd sees to */
                return log_error_errno(
                                r,
                                "the state of container '%s' is damaged, or of another version of Berth, and it "
                                "may be running; berth clean removes it where nothing runs",
                                plan->name);
        if (r < 0)
                return 0;
        leader_fd = state_open_leader(&state);
        if (leader_fd < 0 && state.host_pids)
                unit_fd = cgroup_open_parent(state.cgroup);
        if (leader_fd < 0)
                return unit_fd < 0 ? 0 : end_former(plan->name, unit_fd);
        return log_error_errno(EBUSY, "container '%s' is running already (leader %d)", plan->name,
                               state.pid);
}

/* The unit is the last part of our cgroup's path that is not one of ours. */
static int fill_unit(Launch *launch, const char *cgroup) {
        const char *id = getenv("INVOCATION_ID");

        if (launch->plan.foreground)
                return 0;
        if (set_string(&launch->state.unit, strrchr(cgroup, '/') ? strrchr(cgroup, '/') + 1 : cgroup) < 0)
                return -ENOMEM;
        return id ? set_string(&launch->state.invocation_id, id) : 0;
}

static int check_controllers(const Launch *launch) {
        char *const *controllers = launch->plan.controllers;

        for (size_t i = 0; controllers && controllers[i]; i++) {
                int r = cgroup_has_controller(launch->cgroup_fd, controllers[i]);

                if (r < 0)
                        return log_error_errno(
                                        r, "cannot read the controllers of the unit's control group: %m");
                if (r == 0)
                        return log_error_errno(
                                        EOPNOTSUPP,
                                        "a limit needs the cgroup controller '%s', which this host does not "
                                        "have in its unified hierarchy; remove the limit, or boot with "
                                        "systemd.unified_cgroup_hierarchy=1",
                                        controllers[i]);
        }
        return 0;
}

/* The group that payload, guard and exec-* are in: the unit's own, or with --foreground one below the caller's. */
static int open_unit_cgroup(Launch *launch, char **ret_path) {
        _cleanup_close_ int self_fd = -EBADF;
        _cleanup_free_ char *self = NULL, *name = NULL;
        int r;

        r = cgroup_self(&self);
        if (r < 0)
                return log_error_errno(r,
                                       "No unified control group hierarchy (cgroup2) is mounted; boot with "
                                       "systemd.unified_cgroup_hierarchy=1");
        self_fd = cgroup_open(self);
        if (self_fd < 0)
                return log_error_errno(self_fd, "cannot open the unit's control group '%s': %m", self);
        if (!launch->plan.foreground) {
                launch->cgroup_fd = TAKE_FD(self_fd);
                *ret_path = TAKE_PTR(self);
                return 0;
        }
        if (asprintf(&name, "berth-%s", launch->plan.name) < 0 ||
            asprintf(ret_path, "%s%s%s", self, streq(self, "/") ? "" : "/", name) < 0)
                return log_oom();
        launch->cgroup_fd = cgroup_make(self_fd, name);
        return launch->cgroup_fd < 0 ? log_error_errno(launch->cgroup_fd,
                                                       "cannot make the control group '%s': %m", *ret_path)
                                     : 0;
}

static int prepare_cgroup(Launch *launch) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = open_unit_cgroup(launch, &path);
        if (r >= 0)
                r = check_controllers(launch);
        if (r >= 0)
                r = fill_unit(launch, path);
        if (r < 0)
                return r;
        if (asprintf(&launch->state.cgroup, "%s/%s", path, CGROUP_PAYLOAD) < 0)
                return log_oom();
        /* Of one that was killed before it had a state. Others have ended with their PID 1. */
        if (launch->plan.host_pids && faccessat(launch->cgroup_fd, CGROUP_PAYLOAD, F_OK, 0) == 0 &&
            end_former(launch->plan.name, launch->cgroup_fd) < 0)
                return -EBUSY;
        launch->payload_fd = cgroup_make(launch->cgroup_fd, CGROUP_PAYLOAD);
        if (launch->payload_fd < 0)
                return log_error_errno(launch->payload_fd, "cannot make the control group '%s': %m",
                                       launch->state.cgroup);
        if (!launch->plan.controllers)
                return 0;
        r = cgroup_delegate(launch->cgroup_fd, launch->payload_fd, "launch", launch->plan.controllers);
        return r < 0 ? log_error_errno(r, "cannot repeat the limits on '%s': %m", launch->state.cgroup) : 0;
}

/* Which host ids the container's are. */
static int prepare_users(Launch *launch) {
        State *state = &launch->state;

        switch (launch->plan.private_users) {
        case PRIVATE_USERS_PICK:
                state->uid_count = RANGE_SIZE;
                return range_pick(launch->plan.name, &state->uid_base);
        case PRIVATE_USERS_IDENTITY:
                state->uid_count = UINT32_MAX;
                return 0;
        case PRIVATE_USERS_RANGE:
                state->uid_base = launch->plan.uid_base;
                state->uid_count = launch->plan.uid_count;
                return range_give(launch->plan.name, state->uid_base, state->uid_count);
        case PRIVATE_USERS_NO:
                return 0;
        }
        return -EINVAL;
}

static int add_words(char ***v, char *const *words) {
        for (size_t i = 0; words && words[i]; i++)
                if (strv_append(v, words[i]) < 0)
                        return log_oom();
        return 0;
}

/* Later wins: ours, the image's, the files', the manifest's. */
static int prepare_environment(Launch *launch) {
        const Plan *plan = &launch->plan;
        char *const *const layers[] = { launch->image.metadata.env, plan->env };
        int r;

        if (strv_append(&launch->env, "PATH=" DEFAULT_PATH) < 0 ||
            strv_append(&launch->env, "container=berth") < 0)
                return log_oom();
        for (size_t layer = 0; layer < ARRAY_LEN(layers); layer++) {
                for (size_t i = 0; layer == 1 && plan->env_files && plan->env_files[i]; i++) {
                        r = environment_load(plan->env_files[i], &launch->env);
                        if (r < 0)
                                return r;
                }
                for (size_t i = 0; layers[layer] && layers[layer][i]; i++)
                        if (strv_env_set(&launch->env, layers[layer][i]) < 0)
                                return log_oom();
        }
        return 0;
}

/* The command is Entrypoint and Cmd of the image; Exec= replaces Cmd, Entrypoint= replaces both unless Exec= is set
 * too. Nothing at all is meant only where Exec= says so, and then whatever the image has. */
static int prepare_command(Launch *launch) {
        const Plan *plan = &launch->plan;
        const Metadata *image = &launch->image.metadata;
        bool idle = plan->command_set && !(plan->command && *plan->command);
        int r;

        r = add_words(&launch->command, plan->entrypoint_set || idle ? plan->entrypoint : image->entrypoint);
        if (r >= 0 && plan->command_set)
                r = add_words(&launch->command, plan->command);
        else if (r >= 0 && !plan->entrypoint_set)
                r = add_words(&launch->command, image->command);
        if (r < 0 || launch->command)
                return r;
        if (!plan->command_set && !plan->image)
                return log_error_errno(
                                EINVAL,
                                "Profile= names no command, and neither Exec= nor Entrypoint= is set; set one "
                                "(Exec= set empty gives an idle leader)");
        if (!plan->command_set)
                return log_error_errno(
                                EINVAL,
                                "image '%s' names no command, and neither Exec= nor Entrypoint= is set; set "
                                "one (Exec= set empty gives an idle leader)",
                                plan->image);
        if (!plan->init)
                return log_error_errno(EINVAL, "an idle leader (Exec= set empty) needs Init=yes");
        launch->command = calloc(1, sizeof(char *));
        return launch->command ? 0 : log_oom();
}

/* Does the host see files that the container writes? Such a file must not be able to give a process of the host
 * root, or another user (tried: both a set-uid file and one with file capabilities do). Volumes and layers lie in
 * directories that only root can enter. */
static bool writes_to_host(const Plan *plan) {
        for (size_t i = 0; i < plan->n_mounts; i++)
                if (plan->mounts[i].type == MOUNT_BIND && !plan->mounts[i].read_only)
                        return true;
        return false;
}

static int fill_state(Launch *launch) {
        static const char *const profile_names[] = { [PROFILE_MINIMAL] = "profile:minimal",
                                                     [PROFILE_STANDARD] = "profile:standard",
                                                     [PROFILE_FULL] = "profile:full" };
        const Plan *plan = &launch->plan;
        const Metadata *image = &launch->image.metadata;
        const char *user = plan->user ? plan->user : image->user;
        const char *directory = plan->working_directory ? plan->working_directory : image->working_directory;
        State *state = &launch->state;
        char hostname[NAME_LENGTH_MAX + 1];

        name_to_machine(plan->name, hostname);
        state->created_usec = clock_usec(CLOCK_REALTIME);
        state->capabilities = plan_capabilities(plan);
        state->restrict_suid_sgid = writes_to_host(plan);
        if (state->restrict_suid_sgid && (plan->add_capabilities & UINT64_C(1) << CAP_SETFCAP))
                return log_error_errno(
                                EINVAL,
                                "Capability=CAP_SETFCAP cannot be had beside a bind that can be written: a file "
                                "with capabilities would hold on the host; remove it, or set ReadOnly=yes there");
        if (state->restrict_suid_sgid)
                state->capabilities &= ~(UINT64_C(1) << CAP_SETFCAP);
        state->ambient = plan->ambient_capabilities & state->capabilities;
        state->no_new_privs = plan->no_new_privs;
        state->umask = plan->umask_set ? plan->umask : launch->leader.umask;
        launch->leader.umask = state->umask;
        state->init = plan->init;
        state->host_pids = plan->host_pids;
        if ((image->digest && set_string(&state->image_digest, image->digest) < 0) ||
            set_string(&state->name, plan->name) < 0 ||
            set_string(&state->image, plan->image ? plan->image : profile_names[plan->profile]) < 0 ||
            set_string(&state->user, user ? user : "") < 0 ||
            set_string(&state->working_directory, directory ? directory : "/") < 0 ||
            set_string(&state->hostname, plan->hostname ? plan->hostname : hostname) < 0)
                return -ENOMEM;
        launch->plan.hostname = state->hostname;
        /* another user has another group: the image's goes with the image's user alone */
        launch->group = plan->group ? plan->group : plan->user ? NULL : image->group;
        if (strv_copy(plan->labels, &state->labels) < 0 || strv_copy(launch->env, &state->env) < 0 ||
            strv_copy(launch->command, &state->argv) < 0)
                return log_oom();
        return 0;
}

/* The host's resolvers, as they are: a container in its network reaches what the host reaches. */
static int read_resolv_conf(char **ret) {
        int r;

        r = read_file_at(AT_FDCWD, "/etc/resolv.conf", 65536, ret, NULL);
        return r < 0 && r != -ENOENT ? log_error_errno(r, "cannot read '/etc/resolv.conf': %m") : 0;
}

static bool copies_resolv_conf(const Plan *plan) {
        return plan->resolv_conf == RESOLV_CONF_COPY_HOST ||
               (plan->resolv_conf == RESOLV_CONF_AUTO && plan->network == NETWORK_HOST);
}

/* A host without one, as in the first moments of its first boot, gives none. */
static int prepare_machine_id(Launch *launch) {
        _cleanup_free_ char *host = NULL;
        int r;

        r = read_file_at(AT_FDCWD, "/etc/machine-id", 4096, &host, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : log_error_errno(r, "cannot read '/etc/machine-id': %m");
        if (machine_id_make(host, launch->plan.name, launch->machine_id) >= 0)
                launch->etc[launch->n_etc++] = (EtcFile){ "machine-id", launch->machine_id };
        return 0;
}

static int prepare_etc(Launch *launch) {
        const char *hostname = launch->state.hostname;
        size_t size;
        int r;

        if (etc_hosts(hostname, launch->plan.hosts, &launch->hosts) < 0 ||
            asprintf(&launch->hostname_file, "%s\n", hostname) < 0)
                return log_oom();
        launch->etc[launch->n_etc++] = (EtcFile){ "hostname", launch->hostname_file };
        launch->etc[launch->n_etc++] = (EtcFile){ "hosts", launch->hosts };
        if (prepare_machine_id(launch) < 0)
                return -EIO;
        if (copies_resolv_conf(&launch->plan) && read_resolv_conf(&launch->resolv_conf) < 0)
                return -EIO;
        if (launch->resolv_conf)
                launch->etc[launch->n_etc++] = (EtcFile){ "resolv.conf", launch->resolv_conf };
        if (!launch->plan.timezone)
                return 0;
        r = etc_localtime(launch->plan.timezone, &launch->localtime, &size);
        if (r >= 0)
                launch->etc[launch->n_etc++] = (EtcFile){ "localtime", launch->localtime, size };
        return r;
}

/* A descriptor for each mount: as many as the host lets us have. The command gets back what we were given. */
static int raise_files(Leader *leader) {
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) < 0)
                return log_error_errno(errno, "cannot read the limit of open files: %m");
        leader->soft_files = files.rlim_cur;
        leader->hard_files = files.rlim_max;
        files.rlim_cur = files.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &files) < 0
                               ? log_error_errno(errno, "cannot raise the limit of open files: %m")
                               : 0;
}

static int open_pipes(Launch *launch) {
        int go[2], report[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go) < 0)
                return log_error_errno(errno, "cannot make a pair of sockets: %m");
        launch->theirs[0] = go[0];
        launch->go_fd = go[1];
        if (pipe2(report, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        launch->report_fd = report[0];
        launch->theirs[1] = report[1];
        return 0;
}

/* systemd.service(5): both variables are for the process that WATCHDOG_PID= names, us. */
static uint64_t watchdog_interval(void) {
        const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
        uint64_t value;
        uint32_t whose;

        return usec && pid && parse_uint64(usec, &value) >= 0 && parse_uint32(pid, &whose) >= 0 &&
                                               whose == (uint32_t) getpid()
                               ? value
                               : 0;
}

/* A profile that nobody enforces would be none. */
static int prepare_apparmor(Launch *launch) {
        _cleanup_free_ char *enabled = NULL;

        if (!launch->plan.apparmor_profile)
                return 0;
        if (read_file_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 16, &enabled, NULL) < 0 ||
            enabled[0] != 'Y')
                return log_error_errno(
                                EOPNOTSUPP,
                                "AppArmorProfile=%s cannot be had: the kernel runs without AppArmor; boot with "
                                "security=apparmor, or remove it",
                                launch->plan.apparmor_profile);
        if (set_string(&launch->state.apparmor, launch->plan.apparmor_profile) < 0)
                return -ENOMEM;
        launch->host_proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return launch->host_proc_fd < 0 ? log_error_errno(errno, "cannot open '/proc': %m") : 0;
}

/* How the leader speaks to systemd. Without a word of the application the init itself gives the signs of life. */
static int prepare_notify(Launch *launch) {
        const Plan *plan = &launch->plan;
        NotifyRelay *relay = &launch->leader.notify;
        const char *path = getenv("NOTIFY_SOCKET");
        uint64_t watchdog = watchdog_interval();

        if (plan->foreground || !path)
                return 0; /* nobody waits for it */
        launch->leader.watchdog_usec = watchdog;
        if (plan->notify == NOTIFY_YES && !plan->init) {
                int r = launch->notify_fd = mount_clone(AT_FDCWD, path);

                if (r >= 0)
                        r = mount_set(launch->notify_fd,
                                      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
                return r < 0 ? log_error_errno(r, "'%s' cannot be bound: %m", path) : 0;
        }
        if (!plan->init || (plan->notify != NOTIFY_YES && watchdog == 0))
                return 0;
        relay->watchdog_usec = plan->notify == NOTIFY_YES ? 0 : watchdog;
        relay->to_fd = notify_connect();
        return relay->to_fd < 0
                               ? log_error_errno(relay->to_fd, "cannot connect to systemd at '%s': %m", path)
                               : 0;
}

/* Their directory is for exec as well; what they are is in the command's environment alone, and not in the state. */
static int prepare_secrets(Launch *launch) {
        char *const *secrets = launch->plan.secrets;
        int r;

        if (!secrets)
                return 0;
        for (size_t i = 0; secrets[i]; i++)
                if (secrets_add(&launch->secrets, secrets[i]) < 0)
                        return log_oom();
        r = secrets_read(&launch->secrets);
        if (r < 0)
                return r;
        if (strv_env_set(&launch->env, "CREDENTIALS_DIRECTORY=" SECRETS_PATH) < 0 ||
            strv_env_set(&launch->state.env, "CREDENTIALS_DIRECTORY=" SECRETS_PATH) < 0)
                return log_oom();
        return secrets_set(&launch->secrets, &launch->env);
}

int prepare_check(const Launch *launch) {
        int r = check_caller(&launch->plan);

        return r < 0 ? r : check_not_running(&launch->plan);
}

int prepare_launch(Launch *launch) {
        int r;

        r = prepare_check(launch);
        if (r < 0)
                return r;
        launch->owner = true;
        if (launch->plan.image)
                r = image_open(launch->plan.image, &launch->image);
        else
                r = profile_extend(&launch->plan);
        if (r >= 0)
                r = plan_order_mounts(&launch->plan);
        if (r >= 0)
                r = prepare_environment(launch);
        if (r >= 0)
                r = prepare_command(launch);
        if (r >= 0)
                r = fill_state(launch);
        if (r >= 0)
                r = prepare_secrets(launch);
        if (r >= 0)
                r = filter_own_prepare(&launch->plan, &launch->state);
        if (r >= 0)
                r = prepare_etc(launch);
        if (r >= 0)
                r = raise_files(&launch->leader);
        if (r >= 0 && !launch->plan.image)
                r = prepare_users(launch); /* the root of a profile is made for its owner */
        if (r >= 0)
                r = prepare_roots(launch);
        if (r >= 0)
                r = prepare_cgroup(launch);
        if (r >= 0)
                r = prepare_apparmor(launch);
        if (r >= 0)
                r = prepare_notify(launch);
        if (r >= 0)
                r = open_pipes(launch);
        return r;
}

int prepare_rest(Launch *launch) {
        int r = launch->plan.image ? prepare_users(launch) : 0;

        return r < 0 ? r : prepare_own(launch);
}
