/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/health-state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/parse.h"

static const char *const names[_HEALTH_STATUS_MAX] = {
        [HEALTH_STARTING] = "starting",
        [HEALTH_HEALTHY] = "healthy",
        [HEALTH_UNHEALTHY] = "unhealthy",
};

const char *health_status_to_string(HealthStatus status) {
        return names[status];
}

void health_done(Health *health) {
        free(health->output);
        *health = (Health){};
}

static int open_directory(const State *state) {
        _cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, BERTH_CONTAINER_DIR "/%s", state->name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int parse_status(const char *value, HealthStatus *ret) {
        for (size_t i = 0; i < _HEALTH_STATUS_MAX; i++)
                if (streq(names[i], value)) {
                        *ret = (HealthStatus) i;
                        return 0;
                }
        return -EBADMSG;
}

static int parse_line(char *line, Health *health, uint64_t *pid, uint64_t *start_time) {
        char *value = strchr(line, '=');

        if (!value)
                return -EBADMSG;
        *value++ = '\0';
        if (streq(line, "Pid"))
                return parse_uint64(value, pid);
        if (streq(line, "StartTime"))
                return parse_uint64(value, start_time);
        if (streq(line, "Status"))
                return parse_status(value, &health->status);
        if (streq(line, "Failures"))
                return parse_uint32(value, &health->failures);
        if (streq(line, "Checked"))
                return parse_uint64(value, &health->checked_usec);
        if (streq(line, "ExitStatus"))
                return parse_uint32(value, &health->exit_status);
        return streq(line, "Format") && streq(value, "1") ? 0 : -EBADMSG;
}

int health_read(const State *state, Health *ret) {
        _cleanup_close_ int fd = open_directory(state);
        _cleanup_health_ Health health = {};
        _cleanup_free_ char *text = NULL;
        uint64_t pid = 0, start_time = 0;
        char *rest, *line;
        int r;

        if (fd < 0)
                return fd;
        r = read_file_at(fd, "health", HEALTH_OUTPUT_MAX + 1024, &text, NULL);
        if (r < 0)
                return r;
        for (rest = text; (line = strsep(&rest, "\n")) && *line;)
                if (parse_line(line, &health, &pid, &start_time) < 0)
                        return -EBADMSG;
        if (pid != (uint64_t) state->pid || start_time != state->start_time)
                return -ENOENT;
        health.output = strdup(rest ? rest : "");
        if (!health.output)
                return -ENOMEM;
        *ret = health;
        health = (Health){};
        return 0;
}

int health_write(const State *state, const Health *health) {
        _cleanup_close_ int fd = open_directory(state);
        _cleanup_free_ char *text = NULL;
        int n;

        if (fd < 0)
                return fd;
        n = asprintf(&text,
                     "Format=1\nPid=%d\nStartTime=%" PRIu64 "\nStatus=%s\nFailures=%" PRIu32
                     "\nChecked=%" PRIu64 "\nExitStatus=%" PRIu32 "\n\n%s",
                     state->pid, state->start_time, names[health->status], health->failures,
                     health->checked_usec, health->exit_status, health->output ? health->output : "");
        if (n < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return write_file_at(fd, "health", text, (size_t) n, 0600);
}
