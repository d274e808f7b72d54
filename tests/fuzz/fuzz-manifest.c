/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A whole manifest to its unit. Whatever the bytes: there is a unit; its last lines are ours; what systemd reads as
 * ExecStart= is ours and only one; every line is one that systemd reads; links stay in their directory. */

#include <stdio.h>

#include "common/base.h"
#include "common/contract.h"
#include "generator/lines.h"
#include "generator/translate.h"
#include "tests/fuzz/fuzz.h"

static bool exists(void *data _unused_, const char *name) {
        return name[0] < 'm';
}

static bool foreign(void *data _unused_, const char *unit) {
        return unit[0] > 'x';
}

static const char *take(void *data _unused_, const char *alias, const char *name _unused_) {
        return alias[0] == 't' ? "taken" : NULL;
}

static const char *machine(void *data _unused_, const char *name _unused_) {
        return NULL;
}

/* Reads the unit as systemd does, with our own reader: the same rules. */
static void check_unit(char *text, size_t size, bool bad) {
        unsigned starts = 0, stops = 0, formats = 0;
        char section[64] = "";
        Diags diags = { 0 };
        Lines lines;
        Line line;

        lines_open(&lines, text, size);
        for (lines_next(&lines, &line, &diags); line.kind != LINE_END; lines_next(&lines, &line, &diags)) {
                if (line.kind == LINE_SECTION) {
                        snprintf(section, sizeof(section), "%s", line.key);
                        assert(streq(section, "Unit") || streq(section, "Service") ||
                               streq(section, "Install") || streq(section, "X-Berth"));
                        continue;
                }
                if (!streq(section, "Service")) {
                        formats += streq(section, "X-Berth");
                        continue;
                }
                if (streq(line.key, "ExecStart")) {
                        assert(starts++ == 0);
                        assert(startswith(line.value,
                                          bad ? ":" BERTH_BINDIR "/berth refuse \"--name=web@%i\" -- "
                                              : ":" BERTH_BINDIR "/berth launch \"--name=web@%i\" "));
                }
                stops = streq(line.key, "ExecStopPost") ? stops + 1 : stops;
                if (starts > 0) /* nothing passes behind our commands */
                        assert(streq(line.key, "ExecStart") || streq(line.key, "ExecStopPost"));
                assert(!streq(line.key, "User") && !streq(line.key, "PrivateUsers"));
        }
        assert(starts == 1 && stops >= 1 && formats == 1 && diags.n == 0);
        diags_done(&diags);
}

/* The further units: nothing runs but our own command, once. */
static void check_further(FurtherUnit *unit) {
        unsigned starts = 0, formats = 0;
        char section[64] = "";
        Diags diags = { 0 };
        Lines lines;
        Line line;

        assert(strlen(unit->text) == unit->size && !strchr(unit->path, '/'));
        lines_open(&lines, unit->text, unit->size);
        for (lines_next(&lines, &line, &diags); line.kind != LINE_END; lines_next(&lines, &line, &diags)) {
                if (line.kind == LINE_SECTION) {
                        snprintf(section, sizeof(section), "%s", line.key);
                        assert(streq(section, "Unit") || streq(section, "X-Berth") ||
                               (endswith(unit->path, ".service") && streq(section, "Service")) ||
                               (endswith(unit->path, ".socket") && streq(section, "Socket")) ||
                               (endswith(unit->path, ".timer") && streq(section, "Timer")));
                        continue;
                }
                formats += streq(section, "X-Berth");
                if (streq(section, "Service") && startswith(line.key, "Exec")) {
                        assert(starts++ == 0);
                        assert(startswith(line.value, ":" BERTH_BINDIR "/berth health \"--name=web@%i\" ") ||
                               startswith(line.value, ":" BERTH_BINDIR "/berth proxy \"--name=web@%i\" "));
                }
                assert(!streq(section, "Socket") ||
                       (!streq(line.key, "Accept") && !streq(line.key, "Service")));
                assert(!streq(section, "Timer") || !streq(line.key, "Unit"));
        }
        assert(starts == (endswith(unit->path, ".service") != NULL) && formats == 1 && diags.n == 0);
        diags_done(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const World world = { NULL, exists, foreign, take, machine };
        _cleanup_free_ char *copy = malloc(size + 1);
        Fragment fragments[4] = { { .path = "/etc/berth/web@.berth" },
                                  { .path = "/etc/berth/web@.berth.d/1.conf" },
                                  { .path = "/etc/berth/web@.berth.d/2.conf" },
                                  { .path = "/etc/berth/web@.berth.d/3.conf" } };
        size_t n = 0;
        char *at, *end;
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };

        assert(copy);
        if (size > 0)
                memcpy(copy, data, size);
        copy[size] = '\0';
        /* A form feed, which no text needs, ends the manifest and begins a drop-in. */
        for (at = copy; n < ARRAY_LEN(fragments); at = end + 1) {
                end = n + 1 < ARRAY_LEN(fragments) ? memchr(at, '\f', size - (size_t) (at - copy)) : NULL;
                fragments[n].data = at;
                fragments[n++].size = (size_t) ((end ? end : copy + size) - at);
                if (!end)
                        break;
                *end = '\0';
        }
        assert(manifest_init(&m, "web@", "/etc/berth/web@.berth") == 0);
        assert(manifest_parse(&m, fragments, n) == 0);
        assert(translate(&m, &world, &service) == 0);
        assert(strlen(service.text) == service.size);
        for (size_t i = 0; i < service.links.n; i++) {
                const Link *link = &service.links.list[i];
                const char *slash = strchr(link->path, '/');

                assert(link->path[0] != '/' && link->path[0] != '.' && (!slash || !strchr(slash + 1, '/')));
                assert(streq(link->target, slash ? "../web@.service" : "web@.service") ||
                       (slash &&
                        (streq(link->target, "../web@.socket") || streq(link->target, "../web@.timer"))));
        }
        check_unit(service.text, service.size, m.diags.errors > 0);
        for (size_t i = 0; i < service.further.n; i++)
                check_further(&service.further.list[i]);
        return 0;
}
