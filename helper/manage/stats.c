/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/manage/call.h"
#include "helper/manage/usage.h"
#include "helper/text/print.h"
#include "helper/text/progress.h"
#include "helper/verbs/verbs.h"

/* berth stats [NAME...]: what containers use, once or every two seconds. */

#define INTERVAL_SECONDS 2
#define COLUMNS          9

typedef struct Stats {
        const Call *call;
        json_object *before; /* the round before, by name: for what is used between two */
        uint64_t before_usec;
} Stats;

/* Adds the container to the round, an object by name. 0, also where it has ended meanwhile. */
static int add_container(json_object *round, const Item *item) {
        _cleanup_close_ int unit_fd = item_open_unit_cgroup(item);
        json_object *object;

        if (unit_fd == -ENOENT)
                return 0;
        if (unit_fd < 0)
                return log_error_errno(unit_fd, "cannot look at container '%s': %m", item->state.name);
        object = json_object_new_object();
        if (!object)
                return log_oom();
        json_add_string(object, "name", item->state.name);
        usage_add(object, unit_fd);
        usage_add_scopes(object, &item->state);
        json_object_object_add(round, item->state.name, object);
        return 0;
}

static int add_all(json_object *round) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = state_list(&names);
        for (char **name = names; r >= 0 && name && *name; name++) {
                _cleanup_item_ Item item = {};

                r = item_open_doubtful(*name, &item);
                if (r >= 0 && item_runs(&item) && add_container(round, &item) < 0)
                        return EXIT_FAILED;
        }
        if (r == -EACCES || r == -EPERM) {
                log_error("only root may look at containers");
                return EXIT_FAILED;
        }
        return r < 0 ? log_error_errno(r, "cannot list the containers: %m"), EXIT_FAILED : -1;
}

/* -1: go on; else the exit status. again: who has ended meanwhile is left out, as long as one of them runs. */
static int collect(const Call *call, bool again, json_object *round) {
        if (!call->operands)
                return add_all(round);
        for (char **name = call->operands; *name; name++) {
                _cleanup_running_ Running running = RUNNING_NONE;
                _cleanup_item_ Item item = {};
                int r;

                if (again && item_open(*name, &item) >= 0 && !item_runs(&item) &&
                    (name[1] || json_object_object_length(round) > 0))
                        continue;
                r = running_open(*name, &running);
                if (r >= 0)
                        return r;
                if (add_container(round, &running.item) < 0)
                        return EXIT_FAILED;
        }
        return -1;
}

static void add_percent(json_object *object, json_object *before, uint64_t elapsed_usec) {
        uint64_t used, used_before, permille;
        char text[32];

        if (!usage_get(object, "cpu_usec", &used) || !usage_get(before, "cpu_usec", &used_before) ||
            used < used_before || elapsed_usec == 0)
                return;
        permille = (used - used_before) * 1000 / elapsed_usec;
        snprintf(text, sizeof(text), "%" PRIu64 ".%" PRIu64, permille / 10, permille % 10);
        json_object_object_add(object, "cpu_percent", json_object_new_double_s(strtod(text, NULL), text));
}

static const char *name_of(json_object *object, const char *key) {
        json_object *name;

        (void) json_object_object_get_ex(object, key, &name);
        return json_object_get_string(name);
}

/* Its scope of that number, as borrowed; NULL behind the last. */
static json_object *scope_of(json_object *object, size_t i) {
        json_object *scopes;

        return json_object_object_get_ex(object, "scopes", &scopes) && i < json_object_array_length(scopes)
                               ? json_object_array_get_idx(scopes, i)
                               : NULL;
}

/* Adds cpu_percent, of one processor, where there was a round before. */
static void compare(const Stats *stats, json_object *round, uint64_t elapsed_usec) {
        json_object_object_foreach(round, name, object) {
                json_object *before, *scope, *scope_before;

                if (!stats->before || !json_object_object_get_ex(stats->before, name, &before))
                        continue;
                add_percent(object, before, elapsed_usec);
                for (size_t i = 0; (scope = scope_of(object, i)); i++)
                        for (size_t k = 0; (scope_before = scope_of(before, k)); k++)
                                if (streq(name_of(scope, "unit"), name_of(scope_before, "unit")))
                                        add_percent(scope, scope_before, elapsed_usec);
        }
}

static int add_bytes(char ***cells, json_object *object, const char *name) {
        char text[16] = "-";
        uint64_t value;

        if (usage_get(object, name, &value))
                format_bytes(value, text);
        return strv_append(cells, text);
}

static int add_cpu(char ***cells, json_object *object, bool watch) {
        json_object *percent;
        uint64_t value;

        if (watch)
                return json_object_object_get_ex(object, "cpu_percent", &percent)
                                       ? strv_appendf(cells, "%.1f%%", json_object_get_double(percent))
                                       : strv_append(cells, "-");
        return usage_get(object, "cpu_usec", &value) ? strv_appendf(cells, "%" PRIu64 ".%02" PRIu64 "s",
                                                                    value / 1000000, value / 10000 % 100)
                                                     : strv_append(cells, "-");
}

/* "0.00/0.12/0.00", of processor, memory, input and output. */
static int add_pressure(char ***cells, json_object *object) {
        static const char *const names[] = { "cpu", "memory", "io" };
        json_object *pressure, *value;
        char text[64] = "";

        if (!json_object_object_get_ex(object, "pressure", &pressure))
                return strv_append(cells, "-");
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? "/" : "",
                         json_object_object_get_ex(pressure, names[i], &value)
                                         ? json_object_get_string(value)
                                         : "-");
        return strv_append(cells, text);
}

static int add_row(char ***cells, const char *name, json_object *object, bool watch) {
        uint64_t tasks;
        int r;

        r = strv_append(cells, name);
        if (r >= 0)
                r = add_cpu(cells, object, watch);
        if (r >= 0)
                r = add_bytes(cells, object, "memory_bytes");
        if (r >= 0)
                r = add_bytes(cells, object, "memory_peak_bytes");
        if (r >= 0)
                r = add_bytes(cells, object, "memory_max_bytes");
        if (r >= 0)
                r = usage_get(object, "tasks", &tasks) ? strv_appendf(cells, "%" PRIu64, tasks)
                                                       : strv_append(cells, "-");
        if (r >= 0)
                r = add_bytes(cells, object, "io_read_bytes");
        if (r >= 0)
                r = add_bytes(cells, object, "io_write_bytes");
        return r < 0 ? r : add_pressure(cells, object);
}

/* The container's own, and below it those of its scopes. */
static int add_rows(char ***cells, json_object *object, bool watch) {
        json_object *scope;
        int r;

        r = add_row(cells, name_of(object, "name"), object, watch);
        for (size_t i = 0; r >= 0 && (scope = scope_of(object, i)); i++)
                r = add_row(cells, name_of(scope, "unit"), scope, watch);
        return r;
}

static int print_round(const Call *call, json_object *round) {
        static const char *const headings[COLUMNS] = { "NAME",  "CPU",  "MEMORY", "PEAK",    "MAX",
                                                       "TASKS", "READ", "WRITE",  "PRESSURE" };
        bool watch = call_has(call, STATS_WATCH);
        _cleanup_strv_ char **cells = NULL;

        for (size_t i = 0; !call_has(call, STATS_NO_LEGEND) && i < COLUMNS; i++)
                if (strv_append(&cells, headings[i]) < 0)
                        return log_oom();
        json_object_object_foreach(round, name, object) {
                (void) name;
                if (add_rows(&cells, object, watch) < 0)
                        return log_oom();
        }
        if (watch && isatty(STDOUT_FILENO) == 1)
                printf("\033[H\033[J"); /* the screen, from its top */
        print_table(cells, COLUMNS);
        return 0;
}

static int print_round_json(const Call *call, json_object *round) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return log_oom();
        json_object_object_foreach(round, name, object) {
                (void) name;
                if (json_object_array_add(array, json_object_get(object)) < 0)
                        return log_oom();
        }
        if (call_has(call, STATS_WATCH)) /* a line each, for a program that reads lines */
                puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_NOSLASHESCAPE));
        else
                print_json(array);
        return 0;
}

/* -1: the next round may come; else the exit status. */
static int show(Stats *stats) {
        _cleanup_json_ json_object *round = json_object_new_object();
        uint64_t now = monotonic_usec();
        int r;

        if (!round)
                return log_oom(), EXIT_FAILED;
        r = collect(stats->call, stats->before != NULL, round);
        if (r >= 0)
                return r;
        compare(stats, round, now - stats->before_usec);
        r = call_has(stats->call, STATS_JSON) ? print_round_json(stats->call, round)
                                              : print_round(stats->call, round);
        if (r < 0 || fflush(stdout) != 0)
                return EXIT_FAILED;
        json_object_put(stats->before);
        stats->before = TAKE_PTR(round);
        stats->before_usec = now;
        return -1;
}

int verb_stats(int argc _unused_, char *argv[]) {
        _cleanup_call_ Call call = {};
        Stats stats = { .call = &call };
        int r;

        r = call_read("stats", argv, 0, SIZE_MAX, &call);
        if (r >= 0)
                return r;
        for (;;) {
                r = show(&stats);
                if (r >= 0 || !call_has(&call, STATS_WATCH))
                        break;
                sleep(INTERVAL_SECONDS);
        }
        json_object_put(stats.before);
        return r < 0 ? EXIT_DONE : r;
}
