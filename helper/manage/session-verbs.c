/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/inventory.h"
#include "helper/container/known.h"
#include "helper/container/state.h"
#include "helper/exec/session.h"
#include "helper/manage/call.h"
#include "helper/text/print.h"
#include "helper/verbs/subverbs.h"

/* berth session: the files that exec --session keeps. Whoever holds a lock on one is a call under way. */

enum { SESSION, CONTAINER, STATE, USED, _COLUMNS };

static int open_directory(const char *name) {
        char path[sizeof(BERTH_CONTAINER_DIR) + NAME_LENGTH_MAX + 1];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", BERTH_CONTAINER_DIR, name);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

typedef struct Table {
        char **cells;
        json_object *array; /* NULL: not as JSON */
} Table;

static int add(Table *table, const char *container, const char *id, bool busy, uint64_t used_usec) {
        json_object *object;
        char used[32];
        int r;

        format_time(used_usec, /* utc= */ table->array != NULL, used);
        if (!table->array) {
                r = strv_append(&table->cells, id);
                if (r >= 0)
                        r = strv_append(&table->cells, container);
                if (r >= 0)
                        r = strv_append(&table->cells, busy ? "busy" : "idle");
                return r < 0 ? r : strv_append(&table->cells, used);
        }
        object = json_object_new_object();
        if (json_append(table->array, object) < 0)
                return -ENOMEM;
        json_add_string(object, "session", id);
        json_add_string(object, "container", container);
        json_add_string(object, "state", busy ? "busy" : "idle");
        json_add_string(object, "used", used);
        return 0;
}

static int list_one(const char *container, Table *table) {
        _cleanup_close_ int fd = open_directory(container);
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = fd < 0 ? fd : directory_open(fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                const char *id = startswith(entry->d_name, SESSION_FILE_PREFIX);
                _cleanup_close_ int file_fd = -EBADF;
                struct stat st;

                if (!id || !session_id_valid(id))
                        continue;
                file_fd = openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
                if (file_fd < 0 || fstat(file_fd, &st) < 0)
                        continue; /* closed this moment */
                r = add(table, container, id, flock(file_fd, LOCK_SH | LOCK_NB) < 0,
                        (uint64_t) st.st_mtim.tv_sec * 1000000);
        }
        return r == -ENOENT ? 0 : r; /* the container has ended */
}

static int session_list(const SubverbCall *call) {
        static const char *const headings[_COLUMNS] = { "SESSION", "CONTAINER", "STATE", "USED" };
        _cleanup_json_ json_object *array = NULL;
        _cleanup_strv_ char **names = NULL, **cells = NULL;
        Table table = {};
        int r = 0;

        if (call->operands[0] && !name_valid(call->operands[0], false))
                return known_refuse(call->operands[0]);
        if (call->operands[0]) {
                _cleanup_item_ Item item = {};

                if (item_open(call->operands[0], &item) >= 0 && !item_runs(&item))
                        return call_not_running(call->operands[0]);
        }
        if (subverb_has(call, SESSION_JSON))
                table.array = array = json_object_new_array();
        for (size_t i = 0; r >= 0 && !subverb_has(call, SESSION_NO_LEGEND) && i < _COLUMNS; i++)
                r = strv_append(&table.cells, headings[i]);
        if (r >= 0)
                r = call->operands[0] ? strv_append(&names, call->operands[0]) : state_list(&names);
        for (char **name = names; r >= 0 && name && *name; name++)
                r = list_one(*name, &table);
        cells = table.cells;
        if (r < 0)
                return log_error_errno(r, "cannot list the sessions: %m"), EXIT_FAILED;
        if (array)
                print_json(array);
        else
                print_table(cells, _COLUMNS);
        return EXIT_DONE;
}

/* Empties or removes one that no call holds. Returns the exit status. */
static int end_one(const char *container, const char *id, bool close_it) {
        _cleanup_close_ int dir_fd = -EBADF, file_fd = -EBADF;
        char file[sizeof(SESSION_FILE_PREFIX) + SESSION_ID_MAX];
        struct stat st;

        if (name_valid(container, false) && session_id_valid(id))
                dir_fd = open_directory(container);
        if (dir_fd >= 0) {
                snprintf(file, sizeof(file), SESSION_FILE_PREFIX "%s", id);
                file_fd = openat(dir_fd, file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        }
        if (file_fd < 0) {
                log_error("no session '%s' of container '%s', see berth session list", id, container);
                return EXIT_NO_SUCH;
        }
        /* or one that has just ended has kept it anew */
        if (flock(file_fd, LOCK_EX | LOCK_NB) < 0 || fstat(file_fd, &st) < 0 || st.st_nlink == 0) {
                log_error("session '%s' of container '%s' is busy with a call", id, container);
                return EXIT_FAILED;
        }
        if ((close_it ? unlinkat(dir_fd, file, 0) : ftruncate(file_fd, 0)) < 0)
                return log_error_errno(errno, "cannot change session '%s' of container '%s': %m", id,
                                       container),
                       EXIT_FAILED;
        return EXIT_DONE;
}

static int end_all(const SubverbCall *call, bool close_them) {
        _cleanup_json_ json_object *object = json_object_new_object();
        json_object *ended = json_object_new_array();
        int status = EXIT_DONE;

        if (!object || json_object_object_add(object, "sessions", ended) < 0)
                return log_oom(), EXIT_FAILED;
        json_add_string(object, "container", call->operands[0]);
        for (char **id = call->operands + 1; *id; id++) {
                int k = end_one(call->operands[0], *id, close_them);

                if (k == EXIT_DONE)
                        json_object_array_add(ended, json_object_new_string(*id));
                status = status == EXIT_DONE ? k : status;
        }
        if (subverb_has(call, SESSION_JSON))
                print_json(object);
        return status;
}

static int session_reset(const SubverbCall *call) {
        return end_all(call, /* close_them= */ false);
}

static int session_close(const SubverbCall *call) {
        return end_all(call, /* close_them= */ true);
}

int verb_session(int argc _unused_, char *argv[]) {
        static const SubverbFunction functions[] = {
                { "list", session_list },
                { "reset", session_reset },
                { "close", session_close },
        };

        return subverbs_run(verb_find("session"), argv, functions, ARRAY_LEN(functions));
}
