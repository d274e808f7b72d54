/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/aside.h"
#include "helper/container/bus.h"
#include "helper/container/data.h"
#include "helper/container/inventory.h"
#include "helper/container/known.h"
#include "helper/container/range.h"
#include "helper/launch/layer-quota.h"
#include "helper/launch/layer.h"
#include "helper/manage/remnants.h"
#include "helper/manage/roster.h"
#include "helper/storage/snapshot-store.h"
#include "helper/storage/volume-use.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth remove: what a container leaves, and with --layer or --all also what it keeps. */

typedef struct Removal {
        const char *name;
        bool force, layer, all;
        Remnants remnants;
} Removal;

static void report(Removal *removal, int r, Remnant remnant) {
        remnants_add(&removal->remnants, r, remnant, removal->name);
}

static bool is_there(const char *directory, const char *name) {
        _cleanup_free_ char *path = NULL;

        return asprintf(&path, "%s/%s", directory, name) >= 0 && access(path, F_OK) == 0;
}

/* Stops the unit, and waits until nothing is left to wait for. */
static int stop(sd_bus *bus, const Item *item, const char *unit) {
        if (item_runs(item) && !item->state.unit)
                return log_error_errno(EBUSY,
                                       "container '%s' was started by hand and runs (leader %d); end it "
                                       "first",
                                       item->state.name, item->state.pid);
        log_info("stopping %s", unit);
        return bus_stop_unit(bus, unit, true) < 0 ? log_error_errno(EBUSY, "%s could not be stopped", unit)
                                                  : 0;
}

/* 1: it ran, and does no more. */
static int end_container(const Removal *removal) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_unit_status_ UnitStatus status = {};
        char unit[NAME_LENGTH_MAX + sizeof(".service")];
        _cleanup_item_ Item item = {};
        int r;

        snprintf(unit, sizeof(unit), "%s.service", removal->name);
        r = item_open_doubtful(removal->name, &item);
        if (r < 0)
                return log_error_errno(r, "cannot look at container '%s': %m", removal->name);
        r = bus_get_unit(bus, unit, &status);
        if (r < 0 && sd_booted() > 0) /* it may be starting */
                return log_error_errno(r, "cannot ask systemd about %s: %m", unit);
        if (!item_runs(&item) && !(roster_is_container(removal->name, &status) && unit_status_busy(&status)))
                return 0;
        if (!removal->force)
                return log_error_errno(EBUSY, "container '%s' runs; stop it first (--force does)",
                                       removal->name);
        r = stop(bus, &item, item_runs(&item) && item.state.unit ? item.state.unit : unit);
        return r < 0 ? r : 1;
}

/* Does another container that runs use a volume of ours? */
static int check_borrowers(const char *name) {
        _cleanup_strv_ char **users = NULL;
        int r = volume_find_users(name, NULL, &users);

        for (char **user = users; r >= 0 && user && *user; user++)
                if (!streq(*user, name))
                        return log_error_errno(EBUSY, "container '%s' uses a volume of '%s'; stop it first",
                                               *user, name);
        return r;
}

static void remove_data(Removal *removal, const char *directory, Remnant remnant) {
        _cleanup_close_ int fd = data_open(directory);

        report(removal, fd < 0 ? fd : aside_remove(fd, removal->name), remnant);
}

/* Whoever makes or restores one holds the directory. */
static void remove_snapshots(Removal *removal) {
        _cleanup_close_ int parent_fd = data_open("snapshots"), fd = -EBADF;

        if (!is_there(BERTH_DATA_DIR "/snapshots", removal->name))
                return;
        fd = parent_fd < 0 ? parent_fd : snapshot_lock(removal->name);
        report(removal, fd < 0 ? fd : aside_remove(parent_fd, removal->name), REMNANT_SNAPSHOTS);
}

/* A start that is under way holds the layer. */
static void remove_layer(Removal *removal) {
        _cleanup_close_ int layers_fd = data_open("layers"), fd = -EBADF;

        fd = layers_fd < 0 ? layers_fd : layer_lock(layers_fd, removal->name, /* exclusive= */ true);
        if (fd >= 0 && layer_quota_has(fd))
                (void) layer_quota_set(fd, 0, 0); /* its record would outlive the layer */
        if (fd != -ENOENT)
                report(removal, fd < 0 ? fd : aside_remove(layers_fd, removal->name), REMNANT_LAYER);
}

static void remove_remnants(Removal *removal) {
        const char *name = removal->name;
        char layer[NAME_LENGTH_MAX + sizeof(".ephemeral")];
        int r;

        snprintf(layer, sizeof(layer), "%s.ephemeral", name);
        if (is_there(BERTH_DATA_DIR "/layers", layer))
                report(removal, layer_remove_ephemeral(name) < 0 ? -EIO : 1, REMNANT_EPHEMERAL_LAYER);
        r = range_release(name, 0);
        if (r < 0)
                report(removal, r, REMNANT_USER_IDS);
        if (is_there(BERTH_CONTAINER_DIR, name)) {
                r = state_remove(name);
                report(removal, r < 0 ? r : 1, REMNANT_STATE);
        }
}

static int remove_container(Removal *removal) {
        const char *name = removal->name;
        int ended = removal->all ? check_borrowers(name) : 0;

        if (ended >= 0)
                ended = end_container(removal);
        if (ended < 0)
                return EXIT_FAILED;
        remove_remnants(removal);
        if (removal->layer || removal->all)
                remove_layer(removal);
        if (removal->all) {
                remove_snapshots(removal);
                remove_data(removal, "volumes", REMNANT_VOLUMES);
        }
        if (removal->remnants.failed)
                return EXIT_FAILED;
        if (removal->remnants.n > 0)
                return EXIT_DONE;
        if (!removal->layer && is_there(BERTH_DATA_DIR "/layers", name)) {
                log_info("container '%s' keeps a layer, which --layer removes", name);
                return EXIT_DONE;
        }
        if (ended > 0) /* and has taken all with it */
                return EXIT_DONE;
        log_error("nothing is left of container '%s'", name);
        return EXIT_NO_SUCH;
}

int verb_remove(int argc _unused_, char *argv[]) {
        OptionParser parser = { .options = remove_options, .argv = argv };
        _cleanup_json_ json_object *array = NULL;
        Removal removal = {};
        const char *value;
        bool json = false;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END)
                switch (r) {
                case REMOVE_FORCE:
                        removal.force = true;
                        break;
                case REMOVE_LAYER:
                        removal.layer = true;
                        break;
                case REMOVE_ALL:
                        removal.all = true;
                        break;
                case REMOVE_JSON:
                        json = true;
                        break;
                case OPTIONS_HELP:
                        return verb_help("remove");
                case OPTIONS_OPERAND:
                        if (removal.name) {
                                log_error("remove takes one name: %s", value);
                                return EXIT_USAGE;
                        }
                        removal.name = value;
                        break;
                default:
                        return EXIT_USAGE;
                }
        if (!removal.name) {
                log_error("remove needs the name of a container, see berth remove --help");
                return EXIT_USAGE;
        }
        if (removal.layer && removal.all) {
                log_error("--all removes the layer as well; say one of --layer and --all");
                return EXIT_USAGE;
        }
        if (!name_valid(removal.name, false))
                return known_check(removal.name);
        removal.remnants.array = array = json ? json_object_new_array() : NULL;
        if (json && !array)
                return log_oom(), EXIT_FAILED;
        r = remove_container(&removal);
        if (json)
                print_json(array);
        return r;
}
