/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/roster.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/directory.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/known.h"
#include "helper/manage/process.h"

#define GENERATOR_DIR "/run/systemd/generator" /* systemd.generator(7): the first of the three */

static void entry_done(Entry *entry) {
        item_done(&entry->item);
        *entry = (Entry){};
}
#define _cleanup_entry_ _cleanup_(entry_done)

void roster_done(Roster *roster) {
        for (size_t i = 0; i < roster->n; i++)
                entry_done(&roster->entries[i]);
        free(roster->entries);
        *roster = (Roster){};
}

/* Takes over what is in entry. */
static int add(Roster *roster, Entry *entry) {
        Entry *grown = reallocarray(roster->entries, roster->n + 1, sizeof(Entry));

        if (!grown)
                return -ENOMEM;
        roster->entries = grown;
        roster->entries[roster->n++] = *entry;
        *entry = (Entry){};
        return 0;
}

static bool has(const Roster *roster, const char *name) {
        for (size_t i = 0; i < roster->n; i++)
                if (streq(roster->entries[i].item.state.name, name))
                        return true;
        return false;
}

static bool is_masked(const UnitStatus *status) {
        return status->load && streq(status->load, "masked");
}

bool roster_is_container(const char *name, const UnitStatus *status) {
        return unit_status_is_ours(status) || (is_masked(status) && known_manifest(name));
}

const char *roster_state(const UnitStatus *status) {
        const char *active = status->active ? status->active : "", *sub = status->sub ? status->sub : "";

        if (streq(active, "inactive") && is_masked(status))
                return "masked";
        if (streq(active, "active") && streq(sub, "running")) /* or there would be a state that says so */
                return "damaged";
        if (streq(active, "activating"))
                return startswith(sub, "auto-restart") ? "restarting" : "starting";
        return streq(active, "deactivating") ? "stopping" : streq(active, "failed") ? "failed" : "stopped";
}

bool roster_is_state(const char *word) {
        static const char *const words[] = { "running", "frozen",  "starting", "restarting", "stopping",
                                             "failed",  "stopped", "masked",   "damaged" };

        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (streq(words[i], word))
                        return true;
        return false;
}

const char *roster_network(const State *state) {
        _cleanup_close_ int proc_fd = -EBADF, leader_fd = -EBADF;
        const char *network = NULL;
        char path[32];

        /* opened before the look at the leader: it is his, or nobody's */
        snprintf(path, sizeof(path), "/proc/%d", state->pid);
        proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        leader_fd = state_open_leader(state);
        if (proc_fd < 0 || leader_fd < 0)
                return NULL;
        return process_read_network(proc_fd, &network) < 0 ? NULL : network;
}

/* It may run, and nobody can tell. */
static int add_damaged(Roster *roster, const char *name) {
        _cleanup_entry_ Entry entry = { .item.condition = CONDITION_ABSENT, .state = "damaged" };

        entry.item.state.name = strdup(name);
        return entry.item.state.name ? add(roster, &entry) : -ENOMEM;
}

static int add_running(Roster *roster, const char *name) {
        _cleanup_entry_ Entry entry = {};
        int r = item_open(name, &entry.item);

        if (r == -EBADMSG)
                return add_damaged(roster, name);
        if (r < 0 || !item_runs(&entry.item))
                return r;
        entry.state = condition_to_string(entry.item.condition);
        entry.network = roster_network(&entry.item.state);
        return add(roster, &entry);
}

/* The words of launch that matter here, until its command begins. */
static int take_words(char *const *words, State *state) {
        for (; *words && !streq(*words, "--"); words++) {
                const char *image = startswith(*words, "--image="),
                           *profile = startswith(*words, "--profile="),
                           *label = startswith(*words, "--label=");

                if ((image || profile) && !state->image && !(state->image = strdup(image ? image : profile)))
                        return -ENOMEM;
                if (label && strv_append(&state->labels, label) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Units of ours that run no container (proxies, checks, systems that boot) are left out: they launch none. */
static int add_unit(sd_bus *bus, Roster *roster, const char *unit) {
        _cleanup_unit_status_ UnitStatus status = {};
        _cleanup_free_ char *name = NULL;
        _cleanup_entry_ Entry entry = {};
        int r;

        name = strndup(unit, strlen(unit) - strlen(".service"));
        if (!name)
                return -ENOMEM;
        if (!name_valid(name, false) || has(roster, name))
                return 0;
        r = bus_get_unit(bus, unit, &status);
        if (r < 0 || !roster_is_container(name, &status))
                return r;
        if (!is_masked(&status) &&
            (strv_length(status.command) < 2 ||
             (!streq(status.command[1], "launch") && !streq(status.command[1], "refuse"))))
                return 0;
        entry.item = (Item){ .condition = CONDITION_ABSENT, .state.name = TAKE_PTR(name) };
        entry.item.state.unit = strdup(unit);
        entry.state = roster_state(&status);
        if (!entry.item.state.unit ||
            (!is_masked(&status) && take_words(status.command + 2, &entry.item.state) < 0))
                return -ENOMEM;
        return add(roster, &entry);
}

static bool is_service(const char *file) {
        return endswith(file, ".service");
}

/* Of a template those instances that systemd has loaded. */
static int add_instances(sd_bus *bus, Roster *roster, const char *template) {
        _cleanup_strv_ char **units = NULL;
        _cleanup_free_ char *pattern = NULL;
        char *patterns[2] = {};
        int r;

        if (asprintf(&pattern, "%.*s*.service", (int) (strlen(template) - strlen(".service")), template) <
            0) {
                pattern = NULL;
                return -ENOMEM;
        }
        patterns[0] = pattern;
        r = bus_list_units(bus, patterns, &units);
        for (char **unit = units; r >= 0 && unit && *unit; unit++)
                r = add_unit(bus, roster, *unit);
        return r;
}

/* What generators have made. systemd's own list of unit files takes it seconds (tried). */
static int add_units(sd_bus *bus, Roster *roster) {
        _cleanup_strv_ char **files = NULL;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = directory_names(AT_FDCWD, GENERATOR_DIR, 0, is_service, &files);
        for (char **file = files; r >= 0 && file && *file; file++)
                r = endswith(*file, "@.service") ? add_instances(bus, roster, *file)
                                                 : add_unit(bus, roster, *file);
        return r == -ENOENT ? 0 : r;
}

static int by_name(const void *a, const void *b) {
        const Entry *x = a, *y = b;

        return strcmp(x->item.state.name, y->item.state.name);
}

int roster_read(sd_bus *bus, bool all, Roster *ret) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_roster_ Roster roster = {};
        int r;

        r = state_list(&names);
        for (char **name = names; r >= 0 && name && *name; name++)
                r = add_running(&roster, *name);
        if (r >= 0 && all)
                r = add_units(bus, &roster);
        if (r < 0)
                return r;
        if (roster.n > 0)
                qsort(roster.entries, roster.n, sizeof(Entry), by_name);
        *ret = roster;
        roster = (Roster){};
        return 0;
}
