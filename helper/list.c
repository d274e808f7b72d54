/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-c/json.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/inventory.h"
#include "helper/verbs.h"

/* berth list: the containers that run. */

enum { NAME, IMAGE, STATE, PID, CREATED, UNIT, _COLUMNS };

static const char *const headings[_COLUMNS] = { "NAME", "IMAGE", "STATE", "PID", "CREATED", "UNIT" };

/* A row after the other, _COLUMNS cells each, in one vector. */
static int add_row(const Item *item, char ***cells) {
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
                r = strv_append(cells, item->state.unit ? item->state.unit : "-");
        /* A path may hold what a terminal would obey. */
        for (char **cell = *cells; cell && *cell; cell++)
                for (char *p = *cell; *p; p++)
                        if ((unsigned char) *p < ' ' || *p == 0x7f)
                                *p = '?';
        return r;
}

static void print_table(char *const *cells) {
        size_t width[_COLUMNS] = {};
        size_t i;

        i = 0;
        for (char *const *cell = cells; cell && *cell; cell++, i = (i + 1) % _COLUMNS)
                width[i] = MAX(width[i], strlen(*cell));
        i = 0;
        for (char *const *cell = cells; cell && *cell; cell++, i = (i + 1) % _COLUMNS)
                if (i == _COLUMNS - 1)
                        printf("%s\n", *cell);
                else
                        printf("%-*s ", (int) width[i], *cell);
}

static int add_object(const Item *item, json_object *array) {
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
        json_object_object_add(object, "unit",
                               item->state.unit ? json_object_new_string(item->state.unit) : NULL);
        if (item_add_labels(item, object) < 0)
                return -ENOMEM;
        return json_object_array_add(array, object) < 0 ? -ENOMEM : 0;
}

static void put_jsonp(json_object **object) {
        (void) json_object_put(*object);
}

static int collect(char ***cells, json_object *array) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = state_list(&names);
        for (char **name = names; r >= 0 && name && *name; name++) {
                _cleanup_item_ Item item = {};

                r = item_open(*name, &item);
                if (r < 0 || !item_runs(&item))
                        continue;
                r = array ? add_object(&item, array) : add_row(&item, cells);
        }
        return r < 0 ? log_error_errno(r, "cannot list the containers: %m") : 0;
}

int verb_list(int argc _unused_, char *argv[]) {
        OptionParser parser = { .options = list_options, .argv = argv };
        _cleanup_(put_jsonp) json_object *array = NULL;
        _cleanup_strv_ char **cells = NULL;
        bool json = false, legend = true;
        const char *value;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == LIST_JSON)
                        json = true;
                else if (r == LIST_NO_LEGEND)
                        legend = false;
                else if (r == OPTIONS_HELP)
                        return verb_help("list");
                else {
                        if (r == OPTIONS_OPERAND)
                                log_error("list takes no name; for one container: berth status %s", value);
                        return EXIT_USAGE;
                }
        }
        if (json && !(array = json_object_new_array()))
                return log_oom(), EXIT_FAILED;
        for (size_t i = 0; !json && legend && i < _COLUMNS; i++)
                if (strv_append(&cells, headings[i]) < 0)
                        return log_oom(), EXIT_FAILED;
        if (collect(&cells, array) < 0)
                return EXIT_FAILED;
        if (json)
                puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY |
                                                                           JSON_C_TO_STRING_NOSLASHESCAPE));
        else
                print_table(cells);
        return EXIT_DONE;
}
