/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/scopes.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/directory.h"
#include "helper/container/cgroup.h"
#include "helper/container/enter.h"

#define PREFIX    "berth-exec-"
#define SUFFIX    ".scope"
#define ID_LENGTH 8

void scope_unit(const char *container, uint32_t id, char ret[static SCOPE_UNIT_SIZE]) {
        char *at;

        snprintf(ret, SCOPE_UNIT_SIZE, PREFIX "%s-%08x" SUFFIX, container, id);
        at = strchr(ret, '@');
        if (at)
                *at = ':';
}

int scope_container(const char *unit, char ret[static NAME_LENGTH_MAX + 1]) {
        const char *name = startswith(unit, PREFIX), *end = endswith(unit, SUFFIX), *dash;
        char text[NAME_LENGTH_MAX + 1], *colon;

        if (!name || !end || end - name < ID_LENGTH + 2)
                return -EINVAL;
        dash = end - ID_LENGTH - 1;
        if (*dash != '-' || strspn(dash + 1, "0123456789abcdef") != ID_LENGTH ||
            dash - name > NAME_LENGTH_MAX)
                return -EINVAL;
        snprintf(text, sizeof(text), "%.*s", (int) (dash - name), name);
        colon = strchr(text, ':');
        if (colon)
                *colon = '@';
        if (!name_valid(text, false))
                return -EINVAL;
        strcpy(ret, text);
        return 0;
}

/* The control group that the container's unit is in, as its scopes are. */
static int open_slice(const State *state) {
        _cleanup_free_ char *path = state->unit && state->cgroup ? strdup(state->cgroup) : NULL;
        char *slash;

        if (!path) /* of no unit: nothing is beside it */
                return -ENOENT;
        for (unsigned i = 0; i < 2; i++) { /* payload, and the unit */
                slash = strrchr(path, '/');
                if (!slash)
                        return -ENOENT;
                *slash = '\0';
        }
        return cgroup_open(path);
}

int scopes_for_each(const State *state, int (*function)(int cgroup_fd, const char *unit, void *userdata),
                    void *userdata) {
        _cleanup_close_ int slice_fd = open_slice(state);
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        if (slice_fd < 0)
                return slice_fd == -ENOENT ? 0 : slice_fd;
        r = directory_open(slice_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                _cleanup_close_ int fd = -EBADF;
                char name[NAME_LENGTH_MAX + 1];

                if (scope_container(entry->d_name, name) < 0 || !streq(name, state->name))
                        continue;
                fd = openat(slice_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        continue;
                r = function(fd, entry->d_name, userdata);
                if (r != 0)
                        return r;
        }
        return r;
}

bool scope_is_over(int cgroup_fd) {
        return cgroup_wait_empty(cgroup_fd, 0) > 0;
}

static int kill_one(int cgroup_fd, const char *unit _unused_, void *userdata) {
        int *ended = userdata, r = enter_kill(cgroup_fd);

        if (r < 0 && r != -ENOENT && r != -ENODEV) /* it has ended */
                *ended = r;
        return 0;
}

int scopes_kill(const State *state) {
        int ended = 0, r = scopes_for_each(state, kill_one, &ended);

        return r < 0 ? r : ended;
}
