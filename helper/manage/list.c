/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/manage/call.h"
#include "helper/manage/health-state.h"
#include "helper/manage/status.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth list: the containers that run. */

enum { NAME, IMAGE, STATE, PID, CREATED, HEALTH, UNIT, _COLUMNS };

static const char *const headings[_COLUMNS] = {
        "NAME", "IMAGE", "STATE", "PID", "CREATED", "HEALTH", "UNIT"
};

/* A row after the other, _COLUMNS cells each, in one vector. */
static int add_row(const Item *item, const char *health, char ***cells) {
        char created[32];
        int r;

        format_time(item->state.created_usec, /* utc= */ false, created);
        r = strv_append(cells, item->state.name);
        if (r >= 0)
                r = strv_append(cells, item->state.image);
        if (r >= 0)
                r = strv_append(cells, condition_to_string(item->condition));
        if (r >= 0)
                r = strv_appendf(cells, "%d", item->state.pid);
        if (r >= 0)
                r = strv_append(cells, created);
        if (r >= 0)
                r = strv_append(cells, health);
        if (r >= 0)
                r = strv_append(cells, item->state.unit ? item->state.unit : "-");
        /* A path may hold what a terminal would obey. */
        for (char **cell = *cells; cell && *cell; cell++)
                for (char *p = *cell; *p; p++)
                        if ((unsigned char) *p < ' ' || *p == 0x7f)
                                *p = '?';
        return r;
}

static int add_object(const Item *item, const char *health, json_object *array) {
        json_object *object = json_object_new_object();
        char created[32];

        if (!object)
                return -ENOMEM;
        format_time(item->state.created_usec, /* utc= */ true, created);
        json_object_object_add(object, "name", json_object_new_string(item->state.name));
        json_object_object_add(object, "image", json_object_new_string(item->state.image));
        json_object_object_add(object, "state",
                               json_object_new_string(condition_to_string(item->condition)));
        json_object_object_add(object, "pid", json_object_new_int(item->state.pid));
        json_object_object_add(object, "created", json_object_new_string(created));
        json_add_string(object, "health", health);
        json_object_object_add(object, "unit",
                               item->state.unit ? json_object_new_string(item->state.unit) : NULL);
        if (item_add_labels(item, object) < 0)
                return -ENOMEM;
        return json_object_array_add(array, object) < 0 ? -ENOMEM : 0;
}

/* label=KEY, label=KEY=VALUE */
static bool has_label(const State *state, const char *wanted) {
        size_t n = strlen(wanted);

        for (char *const *label = state->labels; label && *label; label++)
                if (strncmp(*label, wanted, n) == 0 && ((*label)[n] == '\0' || (*label)[n] == '='))
                        return true;
        return false;
}

/* All filters hold. They have been checked. */
static bool passes(const Item *item, const char *health, char *const *filters) {
        for (char *const *filter = filters; filter && *filter; filter++) {
                const char *value = strchr(*filter, '=') + 1;
                bool holds;

                if (startswith(*filter, "state="))
                        holds = streq(condition_to_string(item->condition), value);
                else if (startswith(*filter, "health="))
                        holds = streq(health, value);
                else if (startswith(*filter, "image="))
                        holds = streq(item->state.image, value);
                else
                        holds = has_label(&item->state, value);
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
                if (startswith(*filter, "state=") && !streq(*filter, "state=running") &&
                    !streq(*filter, "state=frozen"))
                        return log_error_errno(EINVAL, "--filter=%s: expected state=running or state=frozen",
                                               *filter);
                if (startswith(*filter, "health=") && !is_health(*filter + strlen("health=")))
                        return log_error_errno(
                                        EINVAL,
                                        "--filter=%s: expected health=starting, healthy, unhealthy or none",
                                        *filter);
        }
        return 0;
}

static int collect(char *const *filters, char ***cells, json_object *array) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_strv_ char **names = NULL;
        int r;

        r = state_list(&names);
        for (char **name = names; r >= 0 && name && *name; name++) {
                _cleanup_item_ Item item = {};
                const char *health;

                r = item_open(*name, &item);
                if (r < 0 || !item_runs(&item))
                        continue;
                health = status_health(&item, bus);
                if (passes(&item, health, filters))
                        r = array ? add_object(&item, health, array) : add_row(&item, health, cells);
        }
        if (r == -EACCES || r == -EPERM)
                return log_error_errno(r, "only root may look at containers");
        return r < 0 ? log_error_errno(r, "cannot list the containers: %m") : 0;
}

int verb_list(int argc _unused_, char *argv[]) {
        _cleanup_json_ json_object *array = NULL;
        _cleanup_strv_ char **cells = NULL;
        _cleanup_call_ Call call = {};
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
        if (collect(call.values[LIST_FILTER], &cells, array) < 0)
                return EXIT_FAILED;
        if (array)
                print_json(array);
        else
                print_table(cells, _COLUMNS);
        return EXIT_DONE;
}
