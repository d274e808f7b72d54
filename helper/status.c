/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "helper/bus.h"
#include "helper/health-state.h"
#include "helper/inventory.h"
#include "helper/verbs.h"

/* berth status NAME: one container. Everything is collected as one JSON object; the text is made from that, so the
 * two cannot tell different things. What the kernel or systemd does not tell is not there at all. */

static void put_jsonp(json_object **object) {
        (void) json_object_put(*object);
}

static void add_string(json_object *object, const char *key, const char *value) {
        if (value && *value)
                json_object_object_add(object, key, json_object_new_string(value));
}

static void add_number(json_object *object, const char *key, uint64_t value) {
        json_object_object_add(object, key, json_object_new_uint64(value));
}

/* The number in a cgroup file: its only one, or that behind "KEY ". */
static int read_figure(int cgroup_fd, const char *file, const char *key, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = read_file_at(cgroup_fd, file, 65536, &text, NULL);
        if (r < 0)
                return r;
        for (rest = text; (line = strsep(&rest, "\n"));) {
                const char *value = key ? startswith(line, key) : line;

                if (value && parse_uint64(value, ret) >= 0)
                        return 0;
        }
        return -ENOENT; /* "max", or a kernel that does not count it */
}

static void add_figures(json_object *object, const Item *item) {
        static const struct {
                const char *name, *file, *key;
        } rows[] = {
                { "memory_bytes", "memory.current", NULL }, { "memory_peak_bytes", "memory.peak", NULL },
                { "memory_max_bytes", "memory.max", NULL }, { "tasks", "pids.current", NULL },
                { "tasks_max", "pids.max", NULL },          { "cpu_usec", "cpu.stat", "usage_usec " },
        };
        _cleanup_close_ int fd = item_open_unit_cgroup(item);

        for (size_t i = 0; fd >= 0 && i < ARRAY_LEN(rows); i++) {
                uint64_t value;

                if (read_figure(fd, rows[i].file, rows[i].key, &value) >= 0)
                        add_number(object, rows[i].name, value);
        }
}

static void add_state(json_object *object, const Item *item) {
        const State *state = &item->state;
        char created[32];

        add_string(object, "image", state->image);
        add_number(object, "pid", (uint64_t) state->pid);
        format_time(state->created_usec, /* utc= */ true, created);
        add_string(object, "created", created);
        add_string(object, "user", state->user);
        add_number(object, "uid", state->uid);
        add_number(object, "gid", state->gid);
        if (state->uid_count > 0) {
                add_number(object, "uid_base", state->uid_base);
                add_number(object, "uid_count", state->uid_count);
        }
        add_string(object, "hostname", state->hostname);
        if (state->labels)
                (void) item_add_labels(item, object);
        add_string(object, "cgroup", state->cgroup);
        add_figures(object, item);
}

/* Before the first check the timer tells that there will be one. */
static void add_health(json_object *object, const Item *item, sd_bus *bus) {
        _cleanup_unit_status_ UnitStatus timer = {};
        _cleanup_health_ Health health = {};
        char unit[sizeof("berth-health@.timer") + NAME_LENGTH_MAX], checked[32];
        const char *at = strchr(item->state.name, '@');

        if (health_read(&item->state, &health) >= 0) {
                format_time(health.checked_usec, /* utc= */ true, checked);
                add_string(object, "health", health_status_to_string(health.status));
                add_number(object, "health_failures", health.failures);
                add_number(object, "health_exit_status", health.exit_status);
                add_string(object, "health_checked", checked);
                add_string(object, "health_output", health.output);
                return;
        }
        snprintf(unit, sizeof(unit), "berth-health@%s.timer", item->state.name);
        if (bus_get_unit(bus, unit, &timer) >= 0 && !unit_status_busy(&timer) &&
            at) { /* of a template's manifest */
                snprintf(unit, sizeof(unit), "berth-health-%s.timer", item->state.name);
                unit_status_done(&timer);
                (void) bus_get_unit(bus, unit, &timer);
        }
        if (unit_status_busy(&timer))
                add_string(object, "health", health_status_to_string(HEALTH_STARTING));
}

static void add_unit(json_object *object, const char *unit, const UnitStatus *status) {
        add_string(object, "unit", unit);
        add_string(object, "active_state", status->active);
        add_string(object, "sub_state", status->sub);
        add_string(object, "result", status->result);
        add_string(object, "manifest", status->source);
}

/* A manifest may put anything into a value, also what a terminal would obey. */
static void print_labels(json_object *object) {
        json_object *labels;

        if (!json_object_object_get_ex(object, "labels", &labels))
                return;
        json_object_object_foreach(labels, key, value) {
                printf("%12s: %s=", "Label", key);
                for (const char *s = json_object_get_string(value); *s; s++)
                        putchar((unsigned char) *s < ' ' || *s == 0x7f ? '?' : *s);
                putchar('\n');
        }
}

static void print_text(json_object *object) {
        static const struct {
                const char *key, *label;
        } rows[] = {
                { "name", "Name" },
                { "state", "State" },
                { "unit", "Unit" },
                { "active_state", "Active" },
                { "sub_state", "Sub" },
                { "result", "Result" },
                { "manifest", "Manifest" },
                { "image", "Image" },
                { "pid", "Leader" },
                { "created", "Created" },
                { "user", "User" },
                { "uid", "UID" },
                { "gid", "GID" },
                { "uid_base", "UID base" },
                { "uid_count", "UID count" },
                { "hostname", "Hostname" },
                { "cgroup", "Cgroup" },
                { "memory_bytes", "Memory" },
                { "memory_peak_bytes", "Memory peak" },
                { "memory_max_bytes", "Memory max" },
                { "tasks", "Tasks" },
                { "tasks_max", "Tasks max" },
                { "cpu_usec", "CPU usec" },
                { "health", "Health" },
                { "health_failures", "Failed" },
                { "health_exit_status", "Exit status" },
                { "health_checked", "Checked" },
        };

        json_object *output;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                json_object *value;

                if (json_object_object_get_ex(object, rows[i].key, &value))
                        printf("%12s: %s\n", rows[i].label, json_object_get_string(value));
        }
        print_labels(object);
        if (json_object_object_get_ex(object, "health_output", &output)) {
                const char *s = json_object_get_string(output);

                for (size_t n; *s; s += n + (s[n] == '\n')) {
                        n = strcspn(s, "\n");
                        printf("%12s| %.*s\n", "", (int) n, s);
                }
        }
}

static int show(const char *name, bool json) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_(put_jsonp) json_object *object = json_object_new_object();
        _cleanup_unit_status_ UnitStatus status = {};
        _cleanup_item_ Item item = {};
        char unit[NAME_LENGTH_MAX + sizeof(".service")];
        int r;

        if (!object)
                return log_oom(), EXIT_FAILED;
        r = item_open(name, &item);
        if (r < 0)
                return log_error_errno(r, "cannot look at container '%s': %m", name), EXIT_FAILED;
        snprintf(unit, sizeof(unit), "%s.service", name);
        /* A container started by hand has no unit; one of the same name is not its. */
        if (!item_runs(&item) || item.state.unit)
                (void) bus_get_unit(bus, item_runs(&item) ? item.state.unit : unit, &status);
        if (!item_runs(&item) && !unit_status_is_ours(&status)) {
                log_error("no container '%s', see berth list", name);
                return EXIT_NO_SUCH;
        }
        add_string(object, "name", name);
        add_string(object, "state", item_runs(&item) ? condition_to_string(item.condition) : "stopped");
        if (item_runs(&item)) {
                add_unit(object, item.state.unit, &status);
                add_state(object, &item);
                if (item.state.unit)
                        add_health(object, &item, bus);
        } else
                add_unit(object, unit, &status);
        if (json)
                puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                                            JSON_C_TO_STRING_NOSLASHESCAPE));
        else
                print_text(object);
        return item_runs(&item) ? EXIT_DONE : EXIT_NOT_RUNNING;
}

int verb_status(int argc _unused_, char *argv[]) {
        OptionParser parser = { .options = status_options, .argv = argv };
        const char *value, *name = NULL;
        bool json = false;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == STATUS_JSON)
                        json = true;
                else if (r == OPTIONS_OPERAND && !name)
                        name = value;
                else if (r == OPTIONS_HELP)
                        return verb_help("status");
                else {
                        if (r == OPTIONS_OPERAND)
                                log_error("status takes one name, but '%s' follows", value);
                        return EXIT_USAGE;
                }
        }
        if (!name) {
                log_error("expected the name of a container: berth status NAME");
                return EXIT_USAGE;
        }
        if (!name_valid(name, false)) {
                log_error("'%s' is not a container's name, see berth list", name);
                return EXIT_NO_SUCH;
        }
        return show(name, json);
}
