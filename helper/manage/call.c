/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/call.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/container/known.h"
#include "helper/container/scopes.h"
#include "helper/manage/process.h"
#include "helper/manage/roster.h"
#include "helper/verbs/verbs.h"

void call_done(Call *call) {
        strv_free(call->operands);
        for (size_t i = 0; i < CALL_OPTIONS_MAX; i++)
                strv_free(call->values[i]);
        *call = (Call){};
}

bool call_has(const Call *call, unsigned option) {
        return call->values[option] != NULL;
}

const char *call_value(const Call *call, unsigned option) {
        size_t n = strv_length(call->values[option]);

        return n > 0 ? call->values[option][n - 1] : NULL;
}

static int refuse_usage(const Verb *verb) {
        log_error("expected: berth %s %s", verb->name, verb->synopsis);
        return EXIT_USAGE;
}

int call_read(const char *verb_name, char *argv[], size_t least, size_t most, Call *ret) {
        const Verb *verb = verb_find(verb_name);
        OptionParser parser = { .options = verb->options, .argv = argv };
        _cleanup_call_ Call call = {};
        const char *value;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r < 0)
                        return EXIT_USAGE;
                if (r == OPTIONS_HELP)
                        return verb_help(verb_name);
                if (r == OPTIONS_OPERAND && strv_length(call.operands) >= most)
                        return refuse_usage(verb);
                assert(r == OPTIONS_OPERAND || r < CALL_OPTIONS_MAX);
                r = strv_append(r == OPTIONS_OPERAND ? &call.operands : &call.values[r], value ? value : "");
                if (r < 0)
                        return log_oom(), EXIT_FAILED;
        }
        if (strv_length(call.operands) < least)
                return refuse_usage(verb);
        *ret = call;
        call = (Call){};
        return -1;
}

void running_done(Running *running) {
        item_done(&running->item);
        free(running->unit);
        running->leader_fd = close_fd(running->leader_fd);
        running->proc_fd = close_fd(running->proc_fd);
        running->unit_fd = close_fd(running->unit_fd);
}

int call_not_running(const char *name) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_unit_status_ UnitStatus status = {};
        char unit[NAME_LENGTH_MAX + sizeof(".service")];

        snprintf(unit, sizeof(unit), "%s.service", name);
        if (bus_get_unit(bus, unit, &status) >= 0 && roster_is_container(name, &status)) {
                const char *state = roster_state(&status);

                if (streq(state, "stopped"))
                        log_error("container '%s' is not running; systemctl start %s starts it", name, name);
                else if (streq(state, "damaged"))
                        log_error("container '%s' has lost its state, '" BERTH_CONTAINER_DIR
                                  "/%s'; systemctl restart %s makes it anew",
                                  name, name, name);
                else if (streq(state, "masked"))
                        log_error("container '%s' is not running, and its unit is masked; systemctl unmask %s undoes that",
                                  name, name);
                else
                        log_error("container '%s' is not running: it %s, see berth logs %s", name,
                                  streq(state, "failed")       ? "has failed"
                                  : streq(state, "restarting") ? "has ended, and systemd will start it again"
                                  : streq(state, "starting")   ? "is just starting"
                                                               : "is just stopping",
                                  name);
                return EXIT_NOT_RUNNING;
        }
        return known_refuse(name);
}

int running_open(const char *name, Running *ret) {
        _cleanup_running_ Running running = RUNNING_NONE;
        ProcessIds ids;
        char path[32];
        int r;

        if (!name_valid(name, false))
                return known_refuse(name);
        r = item_open(name, &running.item);
        if (r == -EACCES || r == -EPERM) {
                log_error("only root may look at container '%s'", name);
                return EXIT_FAILED;
        }
        if (r < 0)
                return item_log_error(name, r), EXIT_FAILED;
        if (!item_runs(&running.item))
                return call_not_running(name);
        /* Opened before the last look at the leader: it is his, or nobody's. */
        snprintf(path, sizeof(path), "/proc/%d", running.item.state.pid);
        running.proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        running.leader_fd = state_open_leader(&running.item.state);
        if (running.proc_fd < 0 || running.leader_fd < 0)
                return call_not_running(name);
        running.unit_fd = r = item_open_unit_cgroup(&running.item);
        if (r >= 0)
                r = process_read_ids(running.proc_fd, &ids);
        if (r < 0)
                return log_error_errno(r, "cannot look at container '%s': %m", name), EXIT_FAILED;
        running.unit = strndup(running.item.state.cgroup, (size_t) (strrchr(running.item.state.cgroup, '/') -
                                                                    running.item.state.cgroup));
        if (!running.unit)
                return log_oom(), EXIT_FAILED;
        running.level = ids.n_pids - 1;
        *ret = running;
        running = RUNNING_NONE;
        return -1;
}

typedef struct Pass {
        const Running *running;
        char *path; /* of the unit or scope that is looked through */
        int (*function)(int proc_fd, pid_t pid, void *userdata);
        void *userdata;
} Pass;

/* The number may have been another process's when it was read. */
static int check_member(int proc_fd, pid_t pid, void *userdata) {
        const Pass *pass = userdata;
        int r = process_in_container(proc_fd, pass->path);

        return r <= 0 ? r : pass->function(proc_fd, pid, pass->userdata);
}

static int for_each_in_scope(int cgroup_fd, const char *unit, void *userdata) {
        _cleanup_free_ char *path = NULL;
        Pass pass = *(const Pass *) userdata;
        const char *own = pass.running->unit;

        if (asprintf(&path, "%.*s/%s", (int) (strrchr(own, '/') - own), own, unit) < 0)
                return -ENOMEM;
        pass.path = path;
        return process_for_each(cgroup_fd, check_member, &pass);
}

int running_for_each(const Running *running, int (*function)(int proc_fd, pid_t pid, void *userdata),
                     void *userdata) {
        Pass pass = { running, running->unit, function, userdata };
        int r = process_for_each(running->unit_fd, check_member, &pass);

        return r != 0 ? r : scopes_for_each(&running->item.state, for_each_in_scope, &pass);
}
