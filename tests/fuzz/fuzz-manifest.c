/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A whole manifest to its unit. Whatever the bytes: there is a unit; its last lines are ours; what systemd reads as
 * ExecStart= is ours and only one; every line is one that systemd reads; links stay in their directory. */

#include <stdio.h>

#include "common/base.h"
#include "common/contract.h"
#include "generator/boot.h"
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

static int template_read(void *data _unused_, const char *name, char **ret, size_t *ret_size) {
        static const char text[] = "# one\n--network-veth\n  --overlay=/a%b:\"$c\":/d\r\n\n";

        if (name[0] > 'm')
                return -ENOENT;
        *ret_size = name[0] > 'e' ? strlen(text) : sizeof(text); /* with a NUL */
        *ret = malloc(sizeof(text) + 1);
        assert(*ret);
        memcpy(*ret, text, sizeof(text));
        return 0;
}

/* What a test is of: the unit's name as it stands in commands, and what was found. */
typedef struct Tested {
        const char *name;
        bool bad, boot;
} Tested;

/* Does value begin with our command for that name? */
static bool is_ours(const Tested *t, const char *value, const char *verb) {
        char expected[64];

        snprintf(expected, sizeof(expected), ":" BERTH_BINDIR "/berth %s \"--name=%s\"", verb, t->name);
        return startswith(value, expected);
}

/* Reads the unit as systemd does, with our own reader: the same rules. */
static void check_unit(const Tested *t, char *text, size_t size) {
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
                        assert(t->bad    ? is_ours(t, line.value, "refuse")
                               : t->boot ? streq(line.value, "/bin/true")
                                         : is_ours(t, line.value, "launch"));
                }
                stops = streq(line.key, "ExecStopPost") ? stops + 1 : stops;
                if (starts > 0) /* nothing passes behind our commands */
                        assert(streq(line.key, "ExecStart") || streq(line.key, "ExecReload") ||
                               streq(line.key, "ExecStop") || streq(line.key, "ExecStopPost"));
                if (starts > 0 && streq(line.key, "ExecStop"))
                        assert(line.value[0] == '-' && is_ours(t, line.value + 1, "unheard"));
                if (streq(line.key, "ExecReload"))
                        assert(t->bad ? is_ours(t, line.value, "refuse")
                                      : is_ours(t, line.value, "reload") ||
                                                               startswith(line.value, ":" BERTH_BINDIR
                                                                                      "/berth exec \""));
                assert(!streq(line.key, "User") && !streq(line.key, "PrivateUsers"));
        }
        assert(starts == 1 && (t->boot || stops >= 1) && formats == 1 && diags.n == 0);
        diags_done(&diags);
}

/* What a further unit may start. The drop-in for nspawn empties what that has first. */
static void check_command(const Tested *t, const Line *line, bool dropin, unsigned *starts) {
        if (dropin && streq(line->key, "ExecStart")) {
                assert(*starts < 2);
                assert(++*starts == 1 ? line->value[0] == '\0'
                       : t->bad       ? is_ours(t, line->value, "refuse")
                                : startswith(line->value, ":/usr/bin/systemd-nspawn --quiet --keep-unit "
                                                          "--boot --settings=no \"--machine=web-one\" "
                                                          "\"--") != NULL);
        } else if (!dropin && startswith(line->key, "Exec")) {
                assert((*starts)++ == 0);
                assert(is_ours(t, line->value, "health") || is_ours(t, line->value, "proxy") ||
                       is_ours(t, line->value, "dns"));
        }
}

/* The further units: nothing runs but our own command, once. */
static void check_further(const Tested *t, FurtherUnit *unit) {
        bool dropin = endswith(unit->path, ".conf"), service = dropin || endswith(unit->path, ".service");
        unsigned starts = 0, formats = 0;
        char section[64] = "";
        Diags diags = { 0 };
        Lines lines;
        Line line;

        assert(strlen(unit->text) == unit->size);
        assert(dropin ? streq(unit->path, "systemd-nspawn@web-one.service.d/50-berth.conf")
                      : !strchr(unit->path, '/'));
        lines_open(&lines, unit->text, unit->size);
        for (lines_next(&lines, &line, &diags); line.kind != LINE_END; lines_next(&lines, &line, &diags)) {
                if (line.kind == LINE_SECTION) {
                        snprintf(section, sizeof(section), "%s", line.key);
                        assert(streq(section, "Unit") || streq(section, "X-Berth") ||
                               (service && streq(section, "Service")) ||
                               (endswith(unit->path, ".socket") && streq(section, "Socket")) ||
                               (endswith(unit->path, ".timer") && streq(section, "Timer")));
                        continue;
                }
                formats += streq(section, "X-Berth");
                if (streq(section, "Service"))
                        check_command(t, &line, dropin, &starts);
                assert(!streq(section, "Socket") ||
                       (!streq(line.key, "Accept") && !streq(line.key, "Service")));
                assert(!streq(section, "Timer") || !streq(line.key, "Unit"));
        }
        assert(starts == (unsigned) service + dropin && formats == 1 && diags.n == 0);
        diags_done(&diags);
}

static void check_links(const Links *links, const char *name) {
        char service[32], socket[32], timer[32];

        snprintf(service, sizeof(service), "../%s.service", name);
        snprintf(socket, sizeof(socket), "../%s.socket", name);
        snprintf(timer, sizeof(timer), "../%s.timer", name);
        for (size_t i = 0; i < links->n; i++) {
                const Link *link = &links->list[i];
                const char *slash = strchr(link->path, '/');

                assert(link->path[0] != '/' && link->path[0] != '.' && (!slash || !strchr(slash + 1, '/')));
                assert(streq(link->target, slash ? service : service + strlen("../")) ||
                       (slash && (streq(link->target, socket) || streq(link->target, timer))));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const World world = { NULL, exists, foreign, take, machine, template_read };
        _cleanup_free_ char *copy = malloc(size + 1);
        Fragment fragments[4] = { { .path = "/etc/berth/web@.berth" },
                                  { .path = "/etc/berth/web@.berth.d/1.conf" },
                                  { .path = "/etc/berth/web@.berth.d/2.conf" },
                                  { .path = "/etc/berth/web@.berth.d/3.conf" } };
        /* What begins with a comment is an instance, for what templates cannot have. */
        const char *name = size > 0 && data[0] == '#' ? "web@one" : "web@";
        size_t n = 0;
        char *at, *end;
        _cleanup_manifest_ Manifest m = { 0 };
        _cleanup_(service_done) Service service = { 0 };
        Tested tested;

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
        assert(manifest_init(&m, name, "/etc/berth/web@.berth") == 0);
        assert(manifest_parse(&m, fragments, n) == 0);
        assert(translate(&m, &world, &service) == 0);
        assert(strlen(service.text) == service.size);
        check_links(&service.links, name);
        tested = (Tested){ streq(name, "web@") ? "web@%i" : name, m.diags.errors > 0, boot_wanted(&m) };
        check_unit(&tested, service.text, service.size);
        for (size_t i = 0; i < service.further.n; i++)
                check_further(&tested, &service.further.list[i]);
        return 0;
}
