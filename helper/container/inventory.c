/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/inventory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

#include "common/fs.h"
#include "common/log.h"
#include "helper/container/cgroup.h"

const char *condition_to_string(Condition condition) {
        static const char *const names[_CONDITION_MAX] = {
                [CONDITION_RUNNING] = "running",
                [CONDITION_FROZEN] = "frozen",
                [CONDITION_STALE] = "stale",
                [CONDITION_ABSENT] = "absent",
        };

        return names[condition];
}

void item_done(Item *item) {
        state_done(&item->state);
}

static bool is_frozen(const State *state) {
        _cleanup_close_ int fd = cgroup_open(state->cgroup);
        _cleanup_free_ char *events = NULL;

        return fd >= 0 && read_file_at(fd, "cgroup.events", 4096, &events, NULL) >= 0 &&
               strstr(events, "frozen 1");
}

int item_open(const char *name, Item *ret) {
        _cleanup_item_ Item item = { .condition = CONDITION_ABSENT };
        _cleanup_close_ int leader_fd = -EBADF;
        int r;

        r = state_read(name, &item.state);
        if (r >= 0) {
                leader_fd = state_open_leader(&item.state);
                if (leader_fd >= 0)
                        item.condition = is_frozen(&item.state) ? CONDITION_FROZEN : CONDITION_RUNNING;
                else if (leader_fd == -ESRCH)
                        item.condition = CONDITION_STALE;
                else
                        return leader_fd;
        } else if (r != -ENOENT)
                return r;
        *ret = item;
        item = (Item){};
        return 0;
}

int item_open_doubtful(const char *name, Item *ret) {
        int r = item_open(name, ret);

        if (r == -EBADMSG) {
                *ret = (Item){ .condition = CONDITION_ABSENT };
                return 0;
        }
        return r;
}

int item_log_error(const char *name, int r) {
        if (r == -EBADMSG)
                return log_error_errno(
                                r,
                                "the state of container '%s' is damaged, or of another version of Berth; "
                                "systemctl restart %s makes it anew, and berth clean removes it where "
                                "nothing runs",
                                name, name);
        return log_error_errno(r, "cannot look at container '%s': %m", name);
}

int item_open_unit_cgroup(const Item *item) {
        return cgroup_open_parent(item->state.cgroup);
}

void format_time(uint64_t usec, bool utc, char ret[static 32]) {
        time_t seconds = (time_t) (usec / 1000000);
        struct tm tm;

        if (utc ? !gmtime_r(&seconds, &tm) : !localtime_r(&seconds, &tm))
                tm = (struct tm){};
        if (strftime(ret, 32, utc ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M:%S", &tm) == 0)
                ret[0] = '\0';
}

void format_span(uint64_t usec, char ret[static 32]) {
        static const struct {
                const char *name;
                uint64_t seconds;
        } units[] = { { "y", 31557600 }, { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };
        uint64_t seconds = usec / 1000000;
        size_t i = 0;
        int n;

        while (i + 1 < ARRAY_LEN(units) && seconds < units[i].seconds)
                i++;
        n = snprintf(ret, 32, "%" PRIu64 "%s", seconds / units[i].seconds, units[i].name);
        seconds %= units[i].seconds;
        if (++i < ARRAY_LEN(units) && seconds >= units[i].seconds)
                snprintf(ret + n, 32 - (size_t) n, " %" PRIu64 "%s", seconds / units[i].seconds,
                         units[i].name);
}

int item_add_labels(const Item *item, json_object *object) {
        json_object *labels = json_object_new_object();

        if (!labels)
                return -ENOMEM;
        json_object_object_add(object, "labels", labels);
        for (char *const *label = item->state.labels; label && *label; label++) {
                _cleanup_free_ char *key = strndup(*label, strcspn(*label, "="));

                if (!key)
                        return -ENOMEM;
                json_object_object_add(labels, key, json_object_new_string(*label + strlen(key) + 1));
        }
        return 0;
}
