/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/status.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/signals.h"
#include "common/strv.h"
#include "helper/container/bus.h"
#include "helper/container/known.h"
#include "helper/manage/call.h"
#include "helper/manage/failures.h"
#include "helper/manage/health-state.h"
#include "helper/manage/roster.h"
#include "helper/manage/usage.h"
#include "helper/text/print.h"
#include "helper/text/progress.h"
#include "helper/verbs/verbs.h"

/* berth status NAME: one container. Everything is collected as one JSON object; the text is made from that, so the
 * two cannot tell different things. What the kernel or systemd does not tell is not there at all. */

static void add_string(json_object *object, const char *key, const char *value) {
        if (value && *value)
                json_object_object_add(object, key, json_object_new_string(value));
}

static void add_number(json_object *object, const char *key, uint64_t value) {
        json_object_object_add(object, key, json_object_new_uint64(value));
}

/* A limit that ended or refused something: while it runs the kernel counts, after its end systemd has the result. */
static void add_limits_hit(json_object *object, const UnitStatus *status) {
        json_object *hits = json_object_new_array();
        uint64_t n;

        if (!hits)
                return;
        if ((usage_get(object, "oom_kills", &n) && n > 0) ||
            (status->result && streq(status->result, "oom-kill")))
                json_object_array_add(hits, json_object_new_string("memory"));
        if (usage_get(object, "tasks_refused", &n) && n > 0)
                json_object_array_add(hits, json_object_new_string("pids"));
        if (status->out_of_time)
                json_object_array_add(hits, json_object_new_string("runtime"));
        if (json_object_array_length(hits) > 0)
                json_object_object_add(object, "limits_hit", hits);
        else
                json_object_put(hits);
}

static void add_state(json_object *object, const Item *item) {
        _cleanup_close_ int unit_fd = item_open_unit_cgroup(item);
        const State *state = &item->state;
        char created[32];

        add_string(object, "image", state->image);
        add_number(object, "pid", (uint64_t) state->pid);
        format_time(state->created_usec, /* utc= */ true, created);
        add_string(object, "created", created);
        add_number(object, "uptime_usec", state_age_usec(&item->state));
        add_string(object, "user", state->user);
        add_number(object, "uid", state->uid);
        add_number(object, "gid", state->gid);
        if (state->uid_count > 0) {
                add_number(object, "uid_base", state->uid_base);
                add_number(object, "uid_count", state->uid_count);
        }
        add_string(object, "hostname", state->hostname);
        add_string(object, "network", roster_network(state));
        if (state->labels)
                (void) item_add_labels(item, object);
        add_string(object, "cgroup", state->cgroup);
        if (unit_fd >= 0)
                usage_add(object, unit_fd);
        usage_add_scopes(object, state);
}

/* Before the first check the timer tells that there will be one. */
static bool has_check(const Item *item, sd_bus *bus) {
        _cleanup_unit_status_ UnitStatus timer = {};
        char unit[sizeof("berth-health@.timer") + NAME_LENGTH_MAX];

        if (!item->state.unit)
                return false;
        snprintf(unit, sizeof(unit), "berth-health@%s.timer", item->state.name);
        if (bus_get_unit(bus, unit, &timer) >= 0 && !unit_status_busy(&timer) &&
            strchr(item->state.name, '@')) { /* of a template's manifest */
                snprintf(unit, sizeof(unit), "berth-health-%s.timer", item->state.name);
                unit_status_done(&timer);
                (void) bus_get_unit(bus, unit, &timer);
        }
        return unit_status_busy(&timer);
}

const char *status_health(const Item *item, sd_bus *bus) {
        _cleanup_health_ Health health = {};

        if (health_read(&item->state, &health) >= 0)
                return health_status_to_string(health.status);
        return has_check(item, bus) ? health_status_to_string(HEALTH_STARTING) : "none";
}

static void add_health(json_object *object, const Item *item, sd_bus *bus) {
        _cleanup_health_ Health health = {};
        char checked[32];

        if (health_read(&item->state, &health) >= 0) {
                format_time(health.checked_usec, /* utc= */ true, checked);
                add_string(object, "health", health_status_to_string(health.status));
                add_number(object, "health_failures", health.failures);
                add_number(object, "health_exit_status", health.exit_status);
                add_string(object, "health_checked", checked);
                add_string(object, "health_output", health.output);
        } else if (has_check(item, bus))
                add_string(object, "health", health_status_to_string(HEALTH_STARTING));
}

/* "berth-proxy-web-80.socket" of "web", "berth-proxy-web-80@one.socket" of "web@one": a port of [Network] Publish=. */
static bool is_proxy_of(const char *unit, const char *name) {
        size_t n = strcspn(name, "@");
        const char *rest = startswith(unit, "berth-proxy-"), *suffix;
        size_t digits;

        if (!rest || strncmp(rest, name, n) != 0 || rest[n] != '-')
                return false;
        rest += n + 1;
        digits = strspn(rest, "0123456789");
        suffix = startswith(rest + digits, name + n);
        return digits > 0 && suffix && streq(suffix, ".socket");
}

static int by_text(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* What systemd listens on for it. */
static void add_sockets(json_object *object, const char *name, sd_bus *bus) {
        _cleanup_strv_ char **units = NULL, **listens = NULL;
        char own[NAME_LENGTH_MAX + sizeof(".socket")];
        char *const patterns[] = { own, (char[]){ "berth-proxy-*.socket" }, NULL };
        json_object *array;

        snprintf(own, sizeof(own), "%s.socket", name);
        if (bus_list_units(bus, patterns, &units) < 0)
                return;
        for (char **unit = units; unit && *unit; unit++) {
                _cleanup_unit_status_ UnitStatus status = {};

                if ((streq(*unit, own) || is_proxy_of(*unit, name)) &&
                    bus_get_unit(bus, *unit, &status) >= 0 && unit_status_is_ours(&status) &&
                    unit_status_busy(&status))
                        (void) bus_add_listens(bus, *unit, &listens);
        }
        if (!listens)
                return;
        qsort(listens, strv_length(listens), sizeof(char *), by_text);
        array = json_object_new_array();
        json_object_object_add(object, "sockets", array);
        for (char **address = listens; *address; address++)
                json_object_array_add(array, json_object_new_string(*address));
}

/* How what has ended did so. */
static void add_end(json_object *object, const UnitStatus *status) {
        char when[32];

        if (status->exit_code == 0)
                return;
        if (status->exit_code == CLD_EXITED)
                add_number(object, "exit_status", (uint64_t) status->exit_status);
        else {
                char name[SIGNAL_NAME_SIZE];

                signal_format(status->exit_status, name);
                add_string(object, "exit_signal", name + strlen("SIG"));
        }
        if (status->ended_usec > 0) {
                format_time(status->ended_usec, /* utc= */ true, when);
                add_string(object, "ended", when);
        }
}

static void add_unit(json_object *object, const char *unit, const UnitStatus *status) {
        add_string(object, "unit", unit);
        if (status->load && !streq(status->load, "loaded"))
                add_string(object, "load_state", status->load);
        add_string(object, "active_state", status->active);
        add_string(object, "sub_state", status->sub);
        add_string(object, "result", status->result);
        add_string(object, "manifest", status->source);
}

void status_label(const char *label) {
        printf("%14s%s", label, *label ? ": " : "  ");
}

static void put_line(const char *s) {
        print_disarmed(s, strlen(s));
        putchar('\n');
}

static void print_labels(json_object *object) {
        json_object *labels;

        if (!json_object_object_get_ex(object, "labels", &labels))
                return;
        json_object_object_foreach(labels, key, value) {
                status_label("Label");
                printf("%s=", key);
                put_line(json_object_get_string(value));
        }
}

/* clang-format off */
static const struct {
        const char *key, *label;
        enum { TEXT, BYTES, TIME, SPAN, DATE, WORD, NETWORK } kind;
} text_rows[] = {
        { "name",               "Name",          TEXT },
        { "state",              "State",         WORD },
        { "unit",               "Unit",          TEXT },
        { "load_state",         "Load",          TEXT },
        { "active_state",       "Active",        TEXT },
        { "sub_state",          "Sub",           TEXT },
        { "result",             "Result",        TEXT },
        { "exit_status",        "Exit status",   TEXT },
        { "exit_signal",        "Exit signal",   TEXT },
        { "ended",              "Ended",         DATE },
        { "manifest",           "Manifest",      TEXT },
        { "image",              "Image",         TEXT },
        { "pid",                "Leader",        TEXT },
        { "created",            "Created",       DATE },
        { "uptime_usec",        "Uptime",        SPAN },
        { "user",               "User",          TEXT },
        { "uid",                "UID",           TEXT },
        { "gid",                "GID",           TEXT },
        { "uid_base",           "UID base",      TEXT },
        { "uid_count",          "UID count",     TEXT },
        { "hostname",           "Hostname",      TEXT },
        { "network",            "Network",       NETWORK },
        { "cgroup",             "Cgroup",        TEXT },
        { "cpu_usec",           "CPU",           TIME },
        { "cpu_throttled_usec", "CPU throttled", TIME },
        { "memory_bytes",       "Memory",        BYTES },
        { "memory_peak_bytes",  "Memory peak",   BYTES },
        { "memory_max_bytes",   "Memory max",    BYTES },
        { "swap_bytes",         "Swap",          BYTES },
        { "tasks",              "Tasks",         TEXT },
        { "tasks_peak",         "Tasks peak",    TEXT },
        { "tasks_max",          "Tasks max",     TEXT },
        { "tasks_refused",      "Tasks refused", TEXT },
        { "io_read_bytes",      "Read",          BYTES },
        { "io_write_bytes",     "Written",       BYTES },
        { "oom_kills",          "OOM kills",     TEXT },
        { "health",             "Health",        WORD },
        { "health_failures",    "Checks failed", TEXT },
        { "health_exit_status", "Check status",  TEXT },
        { "health_checked",     "Checked",       DATE },
};
/* clang-format on */

Colour status_colour(const char *word) {
        static const struct {
                const char *word;
                Colour colour;
        } rows[] = {
                { "running", COLOUR_GOOD },  { "frozen", COLOUR_CARE },    { "starting", COLOUR_CARE },
                { "stopping", COLOUR_CARE }, { "restarting", COLOUR_BAD }, { "failed", COLOUR_BAD },
                { "healthy", COLOUR_GOOD },  { "unhealthy", COLOUR_BAD },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (streq(rows[i].word, word))
                        return rows[i].colour;
        return COLOUR_PLAIN;
}

static void print_coloured(const char *word) {
        Colour colour = status_colour(word);

        printf("%s%s%s\n", colour_begin(colour), word, colour_end(colour));
}

void status_print_date(const char *utc) {
        struct tm tm = {};
        char text[32];

        (void) strptime(utc, "%Y-%m-%dT%H:%M:%SZ", &tm);
        format_time((uint64_t) timegm(&tm) * 1000000, /* utc= */ false, text);
        fputs(text, stdout);
}

static void print_network(const char *network) {
        printf("%s%s\n", network,
               streq(network, "host")   ? " (all addresses and ports of the host, no policy)"
               : streq(network, "none") ? " (loopback only)"
                                        : "");
}

static void print_row(size_t row, json_object *value) {
        uint64_t number = json_object_get_uint64(value);
        const char *string = json_object_get_string(value);
        char text[32];

        status_label(text_rows[row].label);
        switch (text_rows[row].kind) {
        case BYTES:
                format_bytes(number, text);
                printf("%s\n", text);
                break;
        case TIME:
                printf("%" PRIu64 ".%03" PRIu64 "s\n", number / 1000000, number / 1000 % 1000);
                break;
        case SPAN:
                format_span(number, text);
                puts(text);
                break;
        case DATE:
                status_print_date(string);
                putchar('\n');
                break;
        case WORD:
                print_coloured(string);
                break;
        case NETWORK:
                print_network(string);
                break;
        case TEXT:
        default: /* what a manifest says, or the image: a user, a path */
                put_line(string);
        }
}

static void print_list(json_object *object, const char *key, const char *label) {
        json_object *list;

        if (!json_object_object_get_ex(object, key, &list))
                return;
        status_label(label);
        for (size_t i = 0; i < json_object_array_length(list); i++)
                printf("%s%s", i > 0 ? " " : "", json_object_get_string(json_object_array_get_idx(list, i)));
        putchar('\n');
}

static void print_figures(json_object *object) {
        static const struct {
                const char *key, *text;
        } figures[] = { { "memory_bytes", "memory" },
                        { "memory_peak_bytes", "peak" },
                        { "memory_max_bytes", "max" } };
        char text[32];
        uint64_t n;

        if (usage_get(object, "cpu_usec", &n))
                printf(", CPU %" PRIu64 ".%03" PRIu64 "s", n / 1000000, n / 1000 % 1000);
        for (size_t i = 0; i < ARRAY_LEN(figures); i++)
                if (usage_get(object, figures[i].key, &n)) {
                        format_bytes(n, text);
                        printf(", %s %s", figures[i].text, text);
                }
        if (usage_get(object, "tasks", &n))
                printf(", tasks %" PRIu64, n);
        if (usage_get(object, "oom_kills", &n) && n > 0)
                printf(", OOM kills %" PRIu64, n);
}

static void print_scopes(json_object *object) {
        json_object *scopes, *unit;

        if (!json_object_object_get_ex(object, "scopes", &scopes))
                return;
        for (size_t i = 0; i < json_object_array_length(scopes); i++) {
                json_object *scope = json_object_array_get_idx(scopes, i);

                (void) json_object_object_get_ex(scope, "unit", &unit);
                status_label(i == 0 ? "Scopes" : "");
                printf("%s", json_object_get_string(unit));
                print_figures(scope);
                putchar('\n');
        }
}

static void print_pressure(json_object *object) {
        const char *separator = "";
        json_object *pressure;

        if (!json_object_object_get_ex(object, "pressure", &pressure))
                return;
        status_label("Pressure");
        json_object_object_foreach(pressure, key, value) {
                printf("%s%s %s%%", separator, key, json_object_get_string(value));
                separator = " ";
        }
        putchar('\n');
}

void status_print(json_object *object) {
        json_object *output;

        for (size_t i = 0; i < ARRAY_LEN(text_rows); i++) {
                json_object *value;

                if (json_object_object_get_ex(object, text_rows[i].key, &value))
                        print_row(i, value);
        }
        failures_print(object);
        print_list(object, "sockets", "Sockets");
        print_pressure(object);
        print_list(object, "limits_hit", "Limits hit");
        print_scopes(object);
        print_labels(object);
        if (json_object_object_get_ex(object, "health_output", &output)) {
                const char *s = json_object_get_string(output);

                for (size_t n; *s; s += n + (s[n] == '\n')) {
                        n = strcspn(s, "\n");
                        printf("%14s| ", "");
                        print_disarmed(s, n);
                        putchar('\n');
                }
        }
}

static const char *get_string(json_object *object, const char *key) {
        json_object *value;

        return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : "";
}

/* Not the log itself: more may look at the status than may read that. */
static void print_hint(json_object *object) {
        const char *state = get_string(object, "state"), *name = get_string(object, "name");

        if (streq(state, "failed") || streq(state, "restarting")) {
                status_label("Log");
                printf("berth logs %s --invocation\n", name);
        } else if (streq(state, "damaged")) {
                status_label("Mend");
                printf("systemctl restart %s\n", name);
        }
}

int status_exit(const Item *item, json_object *object) {
        return item_runs(item)                                 ? EXIT_DONE
               : streq(get_string(object, "state"), "damaged") ? EXIT_FAILED
                                                               : EXIT_NOT_RUNNING;
}

int status_collect(const char *name, Item *item, json_object *object) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_unit_status_ UnitStatus status = {};
        char unit[NAME_LENGTH_MAX + sizeof(".service")];
        bool damaged;
        int r;

        if (!name_valid(name, false))
                return known_refuse(name);
        r = item_open(name, item);
        damaged = r == -EBADMSG;
        if (damaged)
                r = item_open_doubtful(name, item);
        if (r < 0)
                return item_log_error(name, r), EXIT_FAILED;
        bus = bus_open();
        snprintf(unit, sizeof(unit), "%s.service", name);
        /* A container started by hand has no unit; one of the same name is not its. */
        if (!item_runs(item) || item->state.unit)
                (void) bus_get_unit(bus, item_runs(item) ? item->state.unit : unit, &status);
        if (!item_runs(item) && !damaged && !roster_is_container(name, &status))
                return known_refuse(name);
        json_add_string(object, "name", name);
        json_add_string(object, "state",
                        item_runs(item) ? condition_to_string(item->condition)
                        : damaged       ? "damaged"
                                        : roster_state(&status));
        if (item_runs(item)) {
                add_unit(object, item->state.unit, &status);
                add_state(object, item);
                if (item->state.unit)
                        add_health(object, item, bus);
        } else {
                add_unit(object, unit, &status);
                add_end(object, &status);
        }
        failures_add(object, &status);
        add_sockets(object, name, bus);
        add_limits_hit(object, &status);
        return -1;
}

int verb_status(int argc _unused_, char *argv[]) {
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_item_ Item item = {};
        _cleanup_call_ Call call = {};
        int r;

        if (!object)
                return log_oom(), EXIT_FAILED;
        r = call_read("status", argv, 1, 1, &call);
        if (r < 0)
                r = status_collect(call.operands[0], &item, object);
        if (r >= 0)
                return r;
        if (call_has(&call, STATUS_JSON))
                print_json(object);
        else {
                status_print(object);
                print_hint(object);
        }
        return status_exit(&item, object);
}
