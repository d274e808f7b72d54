/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/volume-use.h"

#include "common/log.h"
#include "common/strv.h"
#include "helper/container/inventory.h"
#include "helper/container/live.h"
#include "helper/launch/plan-mount.h"

/* Is it what the mount has, of the container of that name? 1, 0 or negative errno. */
static int mounts_it(const char *container, const char *fields, const char *owner, const char *name) {
        _cleanup_plan_ Plan plan = {};
        const MountSpec *mount;
        const char *colon;
        int r = mount_spec_add(&plan, fields);

        if (r < 0)
                return r;
        mount = &plan.mounts[0];
        if (mount->type != MOUNT_VOLUME && mount->type != MOUNT_POINTER)
                return 0;
        colon = strchr(mount->source, ':');
        if (!colon)
                return streq(container, owner) && (!name || streq(mount->source, name));
        return strlen(owner) == (size_t) (colon - mount->source) && startswith(mount->source, owner) &&
               (!name || streq(colon + 1, name));
}

static int uses_it(const char *container, const char *owner, const char *name) {
        _cleanup_live_mounts_ LiveMounts mounts = {};
        _cleanup_strv_ char **words = NULL;
        int r = state_read_launch(container, &words);

        for (char **word = words; r == 0 && word && *word; word++) {
                const char *fields = startswith(*word, "--mount=");

                if (fields)
                        r = mounts_it(container, fields, owner, name);
        }
        if (r == 0)
                r = live_mounts_read(container, &mounts);
        for (size_t i = 0; r == 0 && i < mounts.n; i++)
                r = mounts_it(container, mounts.items[i].fields, owner, name);
        return r;
}

/* 1 while it runs, 0, or negative errno. In doubt it does, and what it was launched with says what it uses. */
static int runs(const char *container) {
        _cleanup_item_ Item item = {};
        int r = item_open(container, &item);

        return r == -EBADMSG ? 1 : r < 0 ? r : item_runs(&item);
}

static int add_user(const char *container, const char *owner, const char *name, char ***users) {
        int r = runs(container), still;

        if (r <= 0)
                return r;
        r = uses_it(container, owner, name);
        if (r > 0)
                return strv_append(users, container);
        if (r == 0)
                return 0;
        still = runs(container);
        return still == 0 ? 0 : r; /* if it has ended meanwhile, its files have gone with it */
}

int volume_find_users(const char *owner, const char *name, char ***ret) {
        _cleanup_strv_ char **containers = NULL, **users = NULL;
        int r = state_list(&containers);

        if (r < 0)
                return log_error_errno(r, "cannot list the containers: %m");
        for (char **container = containers; container && *container; container++) {
                r = add_user(*container, owner, name, &users);
                if (r < 0)
                        return log_error_errno(r, "cannot tell whether container '%s' uses it: %m",
                                               *container);
        }
        *ret = TAKE_PTR(users);
        return 0;
}
