/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/manage/call.h"
#include "helper/manage/health-state.h"
#include "helper/manage/roster.h"
#include "helper/manage/status.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth list: the containers that run, and with --all those that could. */

enum { NAME, IMAGE, STATE, PID, UPTIME, HEALTH, NETWORK, UNIT, _COLUMNS };

static const char *const headings[_COLUMNS] = {
        "NAME", "IMAGE", "STATE", "PID", "UPTIME", "HEALTH", "NETWORK", "UNIT",
};

static Colour colour(size_t column, const char *cell) {
        return column == STATE || column == HEALTH ? status_colour(cell) : COLOUR_PLAIN;
}

/* A row after the other, _COLUMNS cells each, in one vector. */
static int add_row(const Entry *entry, const char *health, char ***cells) {
        const State *state = &entry->item.state;
        char pid[16] = "-", uptime[32] = "-";
        const char *const row[_COLUMNS] = {
                [NAME] = state->name,
                [IMAGE] = state->image ? state->image : "-",
                [STATE] = entry->state,
                [PID] = pid,
                [UPTIME] = uptime,
                [HEALTH] = health,
                [NETWORK] = entry->network ? entry->network : "-",
                [UNIT] = state->unit ? state->unit : "-",
        };

        if (item_runs(&entry->item)) {
                snprintf(pid, sizeof(pid), "%d", state->pid);
                format_span(state_age_usec(&entry->item.state), uptime);
        }
        for (size_t i = 0; i < _COLUMNS; i++) {
                int r = strv_append(cells, row[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_object(const Entry *entry, const char *health, json_object *array) {
        const State *state = &entry->item.state;
        json_object *object = json_object_new_object();
        char created[32];

        if (json_append(array, object) < 0)
                return -ENOMEM;
        json_add_string(object, "name", state->name);
        json_add_string(object, "image", state->image);
        json_add_string(object, "state", entry->state);
        if (item_runs(&entry->item)) {
                format_time(state->created_usec, /* utc= */ true, created);
                json_object_object_add(object, "pid", json_object_new_int(state->pid));
                json_add_string(object, "created", created);
                json_object_object_add(object, "uptime_usec",
                                       json_object_new_uint64(state_age_usec(&entry->item.state)));
        }
        json_add_string(object, "health", health);
        if (entry->network)
                json_add_string(object, "network", entry->network);
        json_add_string(object, "unit", state->unit);
        return item_add_labels(&entry->item, object);
}

/* label=KEY, label=KEY=VALUE */
static bool has_label(const State *state, const char *wanted) {
        size_t n = strlen(wanted);
        bool value = strchr(wanted, '=');

        for (char *const *label = state->labels; label && *label; label++)
                if (strncmp(*label, wanted, n) == 0 &&
                    ((*label)[n] == '\0' || (!value && (*label)[n] == '=')))
                        return true;
        return false;
}

/* All filters hold. They have been checked. */
static bool passes(const Entry *entry, const char *health, char *const *filters) {
        const State *state = &entry->item.state;

        for (char *const *filter = filters; filter && *filter; filter++) {
                const char *value = strchr(*filter, '=') + 1;
                bool holds;

                if (startswith(*filter, "state="))
                        holds = streq(entry->state, value);
                else if (startswith(*filter, "health="))
                        holds = streq(health, value);
                else if (startswith(*filter, "image="))
                        holds = state->image && streq(state->image, value);
                else
                        holds = has_label(state, value);
                if (!holds)
                        return false;
        }
        return true;
}

static bool is_health(const char *word) {
        for (HealthStatus status = 0; status < _HEALTH_STATUS_MAX; status++)
                if (streq(word, health_status_to_string(status)))
                        return true;
        return streq(word, "none");
}

/* -EINVAL, logged, for what is no filter. */
static int check_filters(char *const *filters) {
        static const char *const keys[] = { "state=", "health=", "image=", "label=" };

        for (char *const *filter = filters; filter && *filter; filter++) {
                bool known = false;

                for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
                        const char *value = startswith(*filter, keys[i]);

                        known |= value && *value;
                }
                if (!known)
                        return log_error_errno(
                                        EINVAL,
                                        "--filter=%s: expected state=, health=, image= or label= with a value",
                                        *filter);
                if (startswith(*filter, "state=") && !roster_is_state(*filter + strlen("state=")))
                        return log_error_errno(EINVAL,
                                               "--filter=%s: expected state=running, frozen, starting, "
                                               "restarting, stopping, failed, stopped, masked or damaged",
                                               *filter);
                if (startswith(*filter, "health=") && !is_health(*filter + strlen("health=")))
                        return log_error_errno(
                                        EINVAL,
                                        "--filter=%s: expected health=starting, healthy, unhealthy or none",
                                        *filter);
        }
        return 0;
}

/* One who asks for those that failed means those that do not run. */
static bool wants_all(const Call *call) {
        bool all = call_has(call, LIST_ALL);

        for (char *const *filter = call->values[LIST_FILTER]; filter && *filter; filter++)
                all |= startswith(*filter, "state=") && !streq(*filter, "state=running") &&
                       !streq(*filter, "state=frozen");
        return all;
}

static int collect(const Call *call, char ***cells, json_object *array, size_t *ret_n) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_roster_ Roster roster = {};
        int r;

        r = roster_read(bus, wants_all(call), &roster);
        for (size_t i = 0; r >= 0 && i < roster.n; i++) {
                const Entry *entry = &roster.entries[i];
                const char *health = item_runs(&entry->item) ? status_health(&entry->item, bus) : "none";

                if (!passes(entry, health, call->values[LIST_FILTER]))
                        continue;
                r = array ? add_object(entry, health, array) : add_row(entry, health, cells);
                (*ret_n)++;
        }
        if (r == -EACCES || r == -EPERM)
                return log_error_errno(r, "only root may look at containers");
        if (r == -ENOTCONN)
                return log_error_errno(r, "cannot ask systemd for containers that do not run");
        return r < 0 ? log_error_errno(r, "cannot list the containers: %m") : 0;
}

/* As systemctl does, for a person. */
static void print_legend(const Call *call, size_t n) {
        if (call_has(call, LIST_NO_LEGEND) || isatty(STDOUT_FILENO) != 1)
                return;
        printf("\n%zu container%s listed.%s\n", n, n == 1 ? "" : "s",
               wants_all(call) ? "" : " Pass --all to see those that do not run, too.");
}

int verb_list(int argc _unused_, char *argv[]) {
        _cleanup_json_ json_object *array = NULL;
        _cleanup_strv_ char **cells = NULL;
        _cleanup_call_ Call call = {};
        size_t n = 0;
        int r;

        r = call_read("list", argv, 0, 0, &call);
        if (r >= 0)
                return r;
        if (check_filters(call.values[LIST_FILTER]) < 0)
                return EXIT_USAGE;
        if (call_has(&call, LIST_JSON) && !(array = json_object_new_array()))
                return log_oom(), EXIT_FAILED;
        for (size_t i = 0; !array && !call_has(&call, LIST_NO_LEGEND) && i < _COLUMNS; i++)
                if (strv_append(&cells, headings[i]) < 0)
                        return log_oom(), EXIT_FAILED;
        if (collect(&call, &cells, array, &n) < 0)
                return EXIT_FAILED;
        if (array)
                print_json(array);
        else {
                print_table_coloured(cells, _COLUMNS, colour);
                print_legend(&call, n);
        }
        return EXIT_DONE;
}
