/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/usage.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/parse.h"
#include "helper/container/scopes.h"
#include "helper/text/print.h"

#define FILE_MAX 1048576 /* io.stat has a line for each device */

/* clang-format off */
static const struct {
        const char *name, *file, *key; /* the number behind "KEY ", or the only one */
} rows[] = {
        { "cpu_usec",           "cpu.stat",            "usage_usec " },
        { "cpu_throttled_usec", "cpu.stat",            "throttled_usec " },
        { "memory_bytes",       "memory.current",      NULL },
        { "memory_peak_bytes",  "memory.peak",         NULL },
        { "memory_max_bytes",   "memory.max",          NULL },
        { "swap_bytes",         "memory.swap.current", NULL },
        { "tasks",              "pids.current",        NULL },
        { "tasks_peak",         "pids.peak",           NULL },
        { "tasks_max",          "pids.max",            NULL },
        { "tasks_refused",      "pids.events",         "max " },
        { "oom_kills",          "memory.events",       "oom_kill " },
};
/* clang-format on */

static int read_figure(int cgroup_fd, const char *file, const char *key, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = read_file_at(cgroup_fd, file, FILE_MAX, &text, NULL);
        if (r < 0)
                return r;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                const char *value = key ? startswith(line, key) : line;

                if (value && parse_uint64(value, ret) >= 0)
                        return 0;
        }
        return -ENOENT; /* "max", or a kernel that does not count it */
}

static void add_number(json_object *object, const char *name, uint64_t value) {
        json_object_object_add(object, name, json_object_new_uint64(value));
}

/* "8:0 rbytes=1 wbytes=2 rios=3 ...", a line for each device. */
static void add_io(json_object *object, int cgroup_fd) {
        _cleanup_free_ char *text = NULL;
        uint64_t read_bytes = 0, write_bytes = 0, value;
        char *rest, *word;

        if (read_file_at(cgroup_fd, "io.stat", FILE_MAX, &text, NULL) < 0)
                return;
        for (rest = text; (word = strsep(&rest, " \n"));) {
                const char *read_text = startswith(word, "rbytes="),
                           *write_text = startswith(word, "wbytes=");

                if (read_text && parse_uint64(read_text, &value) >= 0)
                        read_bytes += value;
                else if (write_text && parse_uint64(write_text, &value) >= 0)
                        write_bytes += value;
        }
        add_number(object, "io_read_bytes", read_bytes);
        add_number(object, "io_write_bytes", write_bytes);
}

/* "some avg10=1.23 avg60=...", psi.rst. Kept as it is written there, two digits. */
static void add_pressure(json_object *object, int cgroup_fd) {
        static const char *const names[] = { "cpu", "memory", "io" };
        json_object *pressure = NULL;

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                _cleanup_free_ char *text = NULL;
                char file[32];
                const char *value;

                snprintf(file, sizeof(file), "%s.pressure", names[i]);
                if (read_file_at(cgroup_fd, file, 4096, &text, NULL) < 0)
                        continue;
                value = startswith(text, "some avg10=");
                if (!value)
                        continue;
                text[(size_t) (value - text) + strcspn(value, " \n")] = '\0';
                if (!pressure)
                        pressure = json_object_new_object();
                json_object_object_add(pressure, names[i],
                                       json_object_new_double_s(strtod(value, NULL), value));
        }
        if (pressure)
                json_object_object_add(object, "pressure", pressure);
}

/* Until Linux 6.10 a task that was refused counts where it was: in the group of the container's processes or of a
 * command, not in the unit's. */
static uint64_t refused_below(int cgroup_fd) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        uint64_t all = 0, value;
        int r;

        r = directory_open(cgroup_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                _cleanup_close_ int fd = openat(cgroup_fd, entry->d_name,
                                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

                if (fd >= 0 && read_figure(fd, "pids.events", "max ", &value) >= 0)
                        all += value;
        }
        return all;
}

void usage_add(json_object *object, int cgroup_fd) {
        uint64_t refused;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                uint64_t value;

                if (read_figure(cgroup_fd, rows[i].file, rows[i].key, &value) >= 0)
                        add_number(object, rows[i].name, value);
        }
        if (usage_get(object, "tasks_refused", &refused) && refused == 0)
                add_number(object, "tasks_refused", refused_below(cgroup_fd));
        add_io(object, cgroup_fd);
        add_pressure(object, cgroup_fd);
}

static int add_scope(int cgroup_fd, const char *unit, void *userdata) {
        json_object *array = userdata, *object;

        if (scope_is_over(cgroup_fd))
                return 0;
        object = json_object_new_object();
        if (json_append(array, object) < 0)
                return -ENOMEM;
        json_add_string(object, "unit", unit);
        usage_add(object, cgroup_fd);
        return 0;
}

static int by_unit(const void *a, const void *b) {
        json_object *const *x = a, *const *y = b, *x_unit, *y_unit;

        (void) json_object_object_get_ex(*x, "unit", &x_unit);
        (void) json_object_object_get_ex(*y, "unit", &y_unit);
        return strcmp(json_object_get_string(x_unit), json_object_get_string(y_unit));
}

void usage_add_scopes(json_object *object, const State *state) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return;
        (void) scopes_for_each(state, add_scope, array);
        if (json_object_array_length(array) == 0)
                return;
        json_object_array_sort(array, by_unit);
        json_object_object_add(object, "scopes", TAKE_PTR(array));
}

bool usage_get(json_object *object, const char *name, uint64_t *ret) {
        json_object *value;

        if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, json_type_int))
                return false;
        *ret = json_object_get_uint64(value);
        return true;
}
