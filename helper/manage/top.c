/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/user.h"
#include "helper/manage/call.h"
#include "helper/manage/process.h"
#include "helper/text/print.h"
#include "helper/text/printable.h"
#include "helper/text/progress.h"
#include "helper/verbs/verbs.h"

/* berth top NAME: the processes of a container, with their numbers inside and outside. */

#define COLUMNS 7

typedef struct Top {
        const Running *running;
        int root_fd;        /* of the container, for the names of users */
        json_object *array; /* NULL: a table */
        char **cells;
        User last; /* the user that was looked up last */
} Top;

static void top_done(Top *top) {
        close_fd(top->root_fd);
        strv_free(top->cells);
        user_done(&top->last);
        json_object_put(top->array);
}

/* Ids that are not mapped into the container are 65534 there (user_namespaces(7)). */
static uid_t uid_inside(const State *state, uid_t uid) {
        if (state->uid_count == 0)
                return uid;
        return uid >= state->uid_base && uid - state->uid_base < state->uid_count ? uid - state->uid_base
                                                                                  : 65534;
}

static char *user_name(Top *top, uid_t uid) {
        char number[16], *name = NULL;

        snprintf(number, sizeof(number), "%u", uid);
        if (!top->last.name || top->last.uid != uid) {
                user_done(&top->last);
                if (top->root_fd < 0 || user_find(top->root_fd, number, &top->last) < 0 || !top->last.name)
                        return strdup(number);
        }
        return printable(top->last.name, strlen(top->last.name), &name) < 0 ? NULL : name;
}

static int add_object(Top *top, const ProcessIds *ids, const ProcessFigures *figures, uid_t uid,
                      const char *user, const char *command) {
        json_object *object = json_object_new_object();

        if (json_append(top->array, object) < 0)
                return -ENOMEM;
        json_object_object_add(object, "pid", json_object_new_int(ids->pids[top->running->level]));
        json_object_object_add(object, "host_pid", json_object_new_int(ids->pids[0]));
        json_object_object_add(object, "user", json_object_new_string(user));
        json_object_object_add(object, "uid", json_object_new_int64(uid));
        json_object_object_add(object, "host_uid", json_object_new_int64(ids->uid));
        json_object_object_add(object, "cpu_usec", json_object_new_uint64(figures->cpu_usec));
        json_object_object_add(object, "memory_bytes", json_object_new_uint64(figures->memory_bytes));
        json_object_object_add(object, "command", json_object_new_string(command));
        return 0;
}

static int add_row(Top *top, const ProcessIds *ids, const ProcessFigures *figures, const char *user,
                   const char *command) {
        char memory[16];
        int r;

        format_bytes(figures->memory_bytes, memory);
        r = strv_appendf(&top->cells, "%d", ids->pids[top->running->level]);
        if (r >= 0)
                r = strv_appendf(&top->cells, "%d", ids->pids[0]);
        if (r >= 0)
                r = strv_append(&top->cells, user);
        if (r >= 0)
                r = strv_appendf(&top->cells, "%u", ids->uid);
        if (r >= 0)
                r = strv_appendf(&top->cells, "%" PRIu64 ".%02" PRIu64 "s", figures->cpu_usec / 1000000,
                                 figures->cpu_usec / 10000 % 100);
        if (r >= 0)
                r = strv_append(&top->cells, memory);
        return r < 0 ? r : strv_append(&top->cells, command);
}

static int add_process(int proc_fd, pid_t pid _unused_, void *userdata) {
        _cleanup_free_ char *command = NULL, *user = NULL;
        ProcessFigures figures;
        Top *top = userdata;
        ProcessIds ids;
        uid_t uid;
        int r;

        r = process_read_ids(proc_fd, &ids);
        if (r >= 0 && ids.n_pids <= top->running->level) /* of an exec, on its way in */
                return 0;
        if (r >= 0)
                r = process_read_figures(proc_fd, &figures);
        if (r >= 0)
                r = process_read_command(proc_fd, &command);
        if (r < 0)
                return r;
        uid = uid_inside(&top->running->item.state, ids.uid);
        user = user_name(top, uid);
        if (!user)
                return -ENOMEM;
        return top->array ? add_object(top, &ids, &figures, uid, user, command)
                          : add_row(top, &ids, &figures, user, command);
}

int verb_top(int argc _unused_, char *argv[]) {
        static const char *const headings[COLUMNS] = { "PID", "HOST-PID", "USER",   "HOST-UID",
                                                       "CPU", "MEMORY",   "COMMAND" };
        _cleanup_(top_done) Top top = { .root_fd = -EBADF };
        _cleanup_running_ Running running = RUNNING_NONE;
        _cleanup_call_ Call call = {};
        int r;

        r = call_read("top", argv, 1, 1, &call);
        if (r < 0)
                r = running_open(call.operands[0], &running);
        if (r >= 0)
                return r;
        top.running = &running;
        top.root_fd = openat(running.proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (call_has(&call, TOP_JSON) && !(top.array = json_object_new_array()))
                return log_oom(), EXIT_FAILED;
        for (size_t i = 0; !call_has(&call, TOP_NO_LEGEND) && i < COLUMNS; i++)
                if (strv_append(&top.cells, headings[i]) < 0)
                        return log_oom(), EXIT_FAILED;
        r = running_for_each(&running, add_process, &top);
        if (r < 0)
                return log_error_errno(r, "cannot list the processes of container '%s': %m",
                                       call.operands[0]),
                       EXIT_FAILED;
        if (top.array)
                print_json(top.array);
        else
                print_table(top.cells, COLUMNS);
        return EXIT_DONE;
}
