/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "helper/manage/details.h"
#include "helper/manage/status.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth inspect NAME: what status shows, and what the container has and may. */

static void print_words(const char *label, json_object *array) {
        status_label(label);
        for (size_t i = 0; array && i < json_object_array_length(array); i++) {
                const char *word = json_object_get_string(json_object_array_get_idx(array, i));

                fputs(i > 0 ? " " : "", stdout);
                print_disarmed(word,
                               strlen(word)); /* interfaces are called as root of the container likes */
        }
        putchar('\n');
}

static void print_column(const char *label, json_object *array) {
        for (size_t i = 0; array && i < json_object_array_length(array); i++) {
                const char *line = json_object_get_string(json_object_array_get_idx(array, i));

                status_label(i == 0 ? label : "");
                print_disarmed(line, strlen(line));
                putchar('\n');
        }
}

static void print_mounts(json_object *mounts) {
        for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                json_object *mount = json_object_array_get_idx(mounts, i);

                status_label(i == 0 ? "Mounts" : "");
                printf("%s %s %s %s\n", details_get(mount, "target"), details_get(mount, "type"),
                       details_get(mount, "root"),
                       details_array_has(details_get_array(mount, "options"), "ro") ? "ro" : "rw");
        }
}

static void print_devices(json_object *devices) {
        for (size_t i = 0; i < json_object_array_length(devices); i++) {
                json_object *device = json_object_array_get_idx(devices, i);

                status_label(i == 0 ? "Devices" : "");
                printf("%s %s %s %s\n", details_get(device, "path"), details_get(device, "type"),
                       details_get(device, "number"), details_get(device, "mode"));
        }
}

static void print_ids(json_object *ids, const char *name, const char *label) {
        json_object *ranges = details_get_array(ids, name);

        for (size_t i = 0; i < json_object_array_length(ranges); i++) {
                json_object *range = json_object_array_get_idx(ranges, i);

                status_label(i == 0 ? label : "");
                printf("%s inside is %s outside, %s of them\n", details_get(range, "inside"),
                       details_get(range, "outside"), details_get(range, "count"));
        }
}

static void print_details(json_object *object) {
        json_object *namespaces, *ids, *capabilities, *filter = NULL, *can;

        if (!json_object_object_get_ex(object, "can", &can))
                return;
        (void) json_object_object_get_ex(object, "namespaces", &namespaces);
        (void) json_object_object_get_ex(object, "ids", &ids);
        (void) json_object_object_get_ex(object, "capabilities", &capabilities);
        (void) json_object_object_get_ex(object, "filter", &filter);
        status_label("Namespaces");
        for (size_t i = 0; details_namespaces[i]; i++)
                printf("%s%s: %s", i > 0 ? ", " : "", details_namespaces[i],
                       details_get(namespaces, details_namespaces[i]));
        putchar('\n');
        print_ids(ids, "uid_map", "Users");
        print_ids(ids, "gid_map", "Groups");
        print_words("Capabilities", details_get_array(capabilities, "bounding"));
        print_words("Ambient", details_get_array(capabilities, "ambient"));
        if (filter) {
                status_label("Call filter");
                printf("%s, %s of them\n", details_get(filter, "mode"), details_get(filter, "filters"));
                status_label("No new rights");
                puts(details_get(object, "no_new_privileges"));
        }
        print_words("Interfaces", details_get_array(object, "interfaces"));
        print_mounts(details_get_array(object, "mounts"));
        print_devices(details_get_array(object, "devices"));
        print_column("Can read", details_get_array(can, "read"));
        print_column("Can write", details_get_array(can, "write"));
        print_column("Can reach", details_get_array(can, "reach"));
        print_column("Can do", details_get_array(can, "do"));
}

int verb_inspect(int argc _unused_, char *argv[]) {
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_running_ Running running = RUNNING_NONE;
        _cleanup_item_ Item item = {};
        _cleanup_call_ Call call = {};
        int r;

        if (!object)
                return log_oom(), EXIT_FAILED;
        r = call_read("inspect", argv, 1, 1, &call);
        if (r < 0)
                r = status_collect(call.operands[0], &item, object);
        if (r < 0 && item_runs(&item))
                r = running_open(call.operands[0], &running);
        if (r >= 0)
                return r;
        r = item_runs(&item) ? details_add(object, &running) : 0;
        if (r < 0)
                return log_error_errno(r, "cannot look at container '%s': %m", call.operands[0]),
                       EXIT_FAILED;
        if (call_has(&call, INSPECT_JSON))
                print_json(object);
        else {
                status_print(object);
                print_details(object);
        }
        return status_exit(&item, object);
}
