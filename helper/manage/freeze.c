/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/contract.h"
#include "common/log.h"
#include "helper/container/frozen.h"
#include "helper/manage/call.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth freeze and thaw. */

static int change(const char *verb, bool freeze, char *argv[]) {
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_running_ Running running = RUNNING_NONE;
        _cleanup_call_ Call call = {};
        int r;

        if (!object)
                return log_oom(), EXIT_FAILED;
        r = call_read(verb, argv, 1, 1, &call);
        if (r < 0)
                r = running_open(call.operands[0], &running);
        if (r >= 0)
                return r;
        if (!running.item.state.unit) {
                log_error("container '%s' is not of a unit, and only units can be frozen", call.operands[0]);
                return EXIT_FAILED;
        }
        if (frozen_set(&running.item, freeze) < 0)
                return EXIT_FAILED;
        if (call_has(&call, FREEZE_JSON)) {
                json_add_string(object, "container", call.operands[0]);
                json_add_string(object, "unit", running.item.state.unit);
                json_add_string(object, "state", freeze ? "frozen" : "running");
                print_json(object);
        }
        return EXIT_DONE;
}

int verb_freeze(int argc _unused_, char *argv[]) {
        return change("freeze", true, argv);
}

int verb_thaw(int argc _unused_, char *argv[]) {
        return change("thaw", false, argv);
}
