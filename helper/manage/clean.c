/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/aside.h"
#include "helper/container/cgroup.h"
#include "helper/container/data.h"
#include "helper/container/enter.h"
#include "helper/container/inventory.h"
#include "helper/container/range.h"
#include "helper/container/scopes.h"
#include "helper/launch/layer.h"
#include "helper/launch/run-remove.h"
#include "helper/manage/clean-filters.h"
#include "helper/manage/job.h"
#include "helper/manage/machine.h"
#include "helper/manage/remnants.h"
#include "helper/manage/run.h"
#include "helper/storage/snapshot-store.h"
#include "helper/storage/store.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth clean: removes what no running container owns. Every kind of remnant is found by its own name, so that one
 * kind's loss (a lost /run, a deleted manifest) hides no other. */

#define LAYER_SUFFIX ".ephemeral"

typedef struct Cleaning {
        sd_bus *bus; /* NULL: none */
        bool all;
        bool failed;
        Remnants remnants;
} Cleaning;

/* Is there something without its leader that even KILL has not ended? */
static bool lives_on(const Item *item) {
        _cleanup_close_ int fd = item->state.host_pids ? cgroup_open(item->state.cgroup) : -EBADF;

        return fd >= 0 && cgroup_wait_empty(fd, 0) == 0;
}

/* Might it be starting or stopping? */
static bool is_busy(const Cleaning *cleaning, const char *name) {
        _cleanup_unit_status_ UnitStatus status = {};
        char unit[NAME_LENGTH_MAX + sizeof(".service")];

        snprintf(unit, sizeof(unit), "%s.service", name);
        return bus_get_unit(cleaning->bus, unit, &status) >= 0 && unit_status_busy(&status);
}

/* Does a container of that name run, or may it? item: what is known of it. */
static bool is_owned(const Cleaning *cleaning, const char *name, const Item *item) {
        return item_runs(item) || lives_on(item) || is_busy(cleaning, name);
}

/* What has been removed if it was there, as all that was found is. */
static void report(Cleaning *cleaning, int r, Remnant remnant, const char *name) {
        remnants_add(&cleaning->remnants, r < 0 ? r : 1, remnant, name);
}

/* May what entry in dir_fd is, a remnant of container name, be removed? */
static bool is_remnant(const Cleaning *cleaning, int dir_fd, const char *entry, const char *name) {
        _cleanup_item_ Item item = {};

        if (!name_valid(name, false) || (!cleaning->all && aside_is_young(dir_fd, entry)))
                return false;
        return item_open_doubtful(name, &item) >= 0 && !is_owned(cleaning, name, &item);
}

static void clean_layer(Cleaning *cleaning, int dir_fd, const char *entry) {
        _cleanup_free_ char *name = NULL;
        const char *suffix = endswith(entry, LAYER_SUFFIX);

        if (!suffix) /* a kept layer: data, and berth remove's */
                return;
        name = strndup(entry, (size_t) (suffix - entry));
        if (name && is_remnant(cleaning, dir_fd, entry, name))
                report(cleaning, layer_remove_ephemeral(name), REMNANT_EPHEMERAL_LAYER, name);
}

/* What killed removals have left. */
static void sweep(Cleaning *cleaning, const char *directory) {
        _cleanup_close_ int fd = data_open(directory);
        int n = fd < 0 ? fd : aside_sweep(fd);

        if (n < 0) {
                log_error_errno(n, "cannot clean '%s/%s': %m", BERTH_DATA_DIR, directory);
                cleaning->failed = true;
        }
}

static void clean_range(Cleaning *cleaning, int dir_fd, const char *entry) {
        char name[NAME_LENGTH_MAX + 1];
        ssize_t n = readlinkat(dir_fd, entry, name, sizeof(name));

        if (n <= 0 || (size_t) n >= sizeof(name))
                return;
        name[n] = '\0';
        if (is_remnant(cleaning, dir_fd, entry, name))
                report(cleaning, range_release(name, 0), REMNANT_USER_IDS, name);
}

static void clean_given(Cleaning *cleaning, int dir_fd, const char *entry) {
        if (is_remnant(cleaning, dir_fd, entry, entry))
                report(cleaning, range_release(entry, 0), REMNANT_USER_IDS, entry);
}

/* What lives on in the host's pid namespace without its leader: of a launch in the foreground that was killed with it. */
static void clean_processes(Cleaning *cleaning, int dir_fd _unused_, const char *entry) {
        _cleanup_close_ int unit_fd = -EBADF;
        _cleanup_item_ Item item = {};

        if (!name_valid(entry, false) || item_open(entry, &item) < 0 || !lives_on(&item) ||
            item_runs(&item) || is_busy(cleaning, entry))
                return;
        unit_fd = item_open_unit_cgroup(&item);
        if (unit_fd >= 0)
                report(cleaning, enter_kill(unit_fd), REMNANT_PROCESSES, entry);
}

/* The empty control groups of finished execs. */
static void clean_cgroups(const Item *item) {
        _cleanup_close_ int fd = item_open_unit_cgroup(item);
        char own[sizeof("/berth-/" CGROUP_PAYLOAD) + NAME_LENGTH_MAX];

        if (fd < 0)
                return;
        enter_sweep(fd);
        if (item_runs(item))
                return;
        (void) unlinkat(fd, ENTER_GUARD, AT_REMOVEDIR);
        /* of a launch in the foreground, whose launcher was killed: nobody else removes it */
        snprintf(own, sizeof(own), "/berth-%s/" CGROUP_PAYLOAD, item->state.name);
        if (endswith(item->state.cgroup, own)) {
                *strrchr(own, '/') = '\0';
                (void) cgroup_remove(fd, own + 1);
        }
}

static void clean_run(Cleaning *cleaning, int dir_fd, const char *entry) {
        if (is_remnant(cleaning, dir_fd, entry, entry))
                report(cleaning, run_remove(entry, 0), REMNANT_UNIT, entry);
}

static bool is_kept_filter(const void *userdata, int dir_fd, const char *file) {
        const Cleaning *cleaning = userdata;

        return !cleaning->all && aside_is_young(dir_fd, file);
}

static void clean_state(Cleaning *cleaning, int dir_fd, const char *entry) {
        _cleanup_item_ Item item = {};

        if (!name_valid(entry, false) || item_open_doubtful(entry, &item) < 0)
                return;
        clean_cgroups(&item);
        if (is_remnant(cleaning, dir_fd, entry, entry))
                report(cleaning, state_remove(entry), REMNANT_STATE, entry);
}

static void clean_directory(Cleaning *cleaning, const char *path,
                            void (*clean)(Cleaning *, int, const char *)) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = directory_open(AT_FDCWD, path, O_NOFOLLOW, &dir);
        if (r == -ENOENT)
                return;
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0)
                clean(cleaning, dirfd(dir), entry->d_name);
        if (r < 0) {
                log_error_errno(r, "cannot read '%s': %m", path);
                cleaning->failed = true;
        }
}

/* The leader that runs under that machine name, 0 for none. */
static int find_leader(const char *machine, pid_t *ret) {
        _cleanup_strv_ char **names = NULL;
        int r;

        *ret = 0;
        r = state_list(&names);
        for (char **name = names; r >= 0 && name && *name; name++) {
                _cleanup_item_ Item item = {};
                char own[NAME_LENGTH_MAX + 1];

                name_to_machine(*name, own);
                if (!streq(own, machine))
                        continue;
                r = item_open(*name, &item);
                if (r >= 0 && item_runs(&item))
                        *ret = item.state.pid;
        }
        return r;
}

static void clean_machines(Cleaning *cleaning) {
        _cleanup_strv_ char **machines = NULL;

        if (bus_list_machines(cleaning->bus, &machines) < 0)
                return; /* no machined */
        for (char **machine = machines; machine && *machine; machine++) {
                pid_t leader;
                int r = find_leader(*machine, &leader);

                if (r >= 0)
                        r = machine_remove_stale(cleaning->bus, *machine, leader);
                if (r < 0 && r != -EEXIST && r != -EBADMSG) /* in doubt it is somebody's */
                        report(cleaning, r, REMNANT_MACHINE, *machine);
        }
}

typedef struct Wanted {
        const char *unit;
        bool over;
} Wanted;

static int look_at_scope(int cgroup_fd, const char *unit, void *userdata) {
        Wanted *wanted = userdata;

        if (!streq(unit, wanted->unit))
                return 0;
        wanted->over = scope_is_over(cgroup_fd);
        return 1;
}

/* Has a scope of a container that runs ended, and systemd does not know? */
static bool is_over(const Cleaning *cleaning, const Item *item, const char *unit) {
        _cleanup_unit_status_ UnitStatus status = {};
        Wanted wanted = { .unit = unit };

        if (bus_get_unit(cleaning->bus, unit, &status) < 0 || !status.active ||
            !streq(status.active, "active")) /* one that is just made is empty */
                return false;
        (void) scopes_for_each(&item->state, look_at_scope, &wanted);
        return wanted.over;
}

/* The scopes of containers that have ended without a cleanup. */
static void clean_scopes(Cleaning *cleaning) {
        char *patterns[] = { (char[]){ "berth-exec-*.scope" }, NULL };
        _cleanup_strv_ char **units = NULL;

        if (bus_list_units(cleaning->bus, patterns, &units) < 0)
                return; /* no systemd */
        for (char **unit = units; unit && *unit; unit++) {
                char name[NAME_LENGTH_MAX + 1];
                _cleanup_item_ Item item = {};
                int r;

                if (scope_container(*unit, name) < 0 || item_open_doubtful(name, &item) < 0 ||
                    (item_runs(&item) ? !is_over(cleaning, &item, *unit) : is_busy(cleaning, name)))
                        continue;
                r = bus_stop_unit(cleaning->bus, *unit, /* wait= */ true);
                report(cleaning, r < 0 ? r : 1, REMNANT_SCOPE, name);
        }
}

static json_object *names_to_array(char *const *names) {
        json_object *array = json_object_new_array();

        for (size_t i = 0; array && names && names[i]; i++)
                json_object_array_add(array, json_object_new_string(names[i]));
        return array;
}

/* What is not a container's own. */
static void tell(const Cleaning *cleaning, char *const *jobs, int filters) {
        _cleanup_json_ json_object *object = NULL;

        if (!cleaning->remnants.array) {
                for (size_t i = 0; jobs && jobs[i]; i++)
                        log_info("removed job '%s'", jobs[i]);
                if (filters > 0)
                        log_info("removed %d compiled filter%s that no running container has", filters,
                                 filters == 1 ? "" : "s");
                return;
        }
        object = json_object_new_object();
        json_object_object_add(object, "containers", json_object_get(cleaning->remnants.array));
        json_object_object_add(object, "jobs", names_to_array(jobs));
        json_object_object_add(object, "filters", json_object_new_int(MAX(filters, 0)));
        print_json(object);
}

static int clean(Cleaning *cleaning) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_strv_ char **jobs = NULL;
        int filters;

        cleaning->bus = bus;
        jobs_clean(bus, &jobs);
        clean_machines(cleaning);
        clean_scopes(cleaning);
        clean_directory(cleaning, BERTH_CONTAINER_DIR, clean_processes); /* first: what uses the others */
        clean_directory(cleaning, BERTH_DATA_DIR "/layers", clean_layer);
        sweep(cleaning, "layers");
        if (snapshot_sweep() < 0)
                cleaning->failed = true;
        sweep(cleaning, "snapshots");
        sweep(cleaning, "volumes");
        clean_directory(cleaning, BERTH_RUNTIME_DIR "/ranges", clean_range);
        clean_directory(cleaning, BERTH_RUNTIME_DIR "/ranges/given", clean_given);
        filters = clean_filters(is_kept_filter, cleaning);
        if (filters < 0 || store_clean() < 0)
                cleaning->failed = true;
        clean_directory(cleaning, RUN_DIR, clean_run);
        clean_directory(cleaning, BERTH_CONTAINER_DIR, clean_state); /* last: what the others look at */
        tell(cleaning, jobs, filters);
        return cleaning->failed || cleaning->remnants.failed ? EXIT_FAILED : EXIT_DONE;
}

int verb_clean(int argc _unused_, char *argv[]) {
        OptionParser parser = { .options = clean_options, .argv = argv };
        _cleanup_json_ json_object *array = NULL;
        Cleaning cleaning = {};
        const char *value;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == CLEAN_ALL)
                        cleaning.all = true;
                else if (r == CLEAN_JSON && !array) {
                        array = json_object_new_array();
                        if (!array)
                                return log_oom(), EXIT_FAILED;
                } else if (r == OPTIONS_HELP)
                        return verb_help("clean");
                else if (r != CLEAN_JSON) {
                        if (r == OPTIONS_OPERAND)
                                log_error("clean takes no name; what a container keeps: berth remove %s",
                                          value);
                        return EXIT_USAGE;
                }
        }
        cleaning.remnants.array = array;
        return clean(&cleaning);
}
