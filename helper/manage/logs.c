/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/json-text.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/utf8.h"
#include "helper/container/bus.h"
#include "helper/container/known.h"
#include "helper/manage/call.h"
#include "helper/manage/roster.h"
#include "helper/manage/since.h"
#include "helper/text/hold.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth logs NAME: what the journal has of a container's unit, as journalctl -u finds it: its processes' lines, and what
 * systemd and coredumps say about it. */

#define POLL_MS      1000
#define FOLLOW_LINES 10 /* as journalctl has it */

typedef struct Logs {
        sd_journal *journal;
        const char *name;
        char unit[NAME_LENGTH_MAX + sizeof(".service")];
        uint64_t lines; /* UINT64_MAX: all */
        uint64_t since_usec;
        bool json, follow;
        uint64_t printed;
} Logs;

static void logs_done(Logs *logs) {
        sd_journal_close(logs->journal);
}

static int add_match(sd_journal *journal, const char *field, const char *value) {
        _cleanup_free_ char *match = NULL;

        if (asprintf(&match, "%s=%s", field, value) < 0) {
                match = NULL;
                return -ENOMEM;
        }
        return sd_journal_add_match(journal, match, 0);
}

/* Those of journalctl -u. The fields with "_" are journald's own word; the others count only from whom it names.
 * invocation: NULL for all. */
static int add_matches(sd_journal *journal, const char *unit, const char *invocation) {
        static const struct {
                const char *trusted, *unit, *invocation; /* NULL: no more */
        } rows[] = {
                { NULL, "_SYSTEMD_UNIT", "_SYSTEMD_INVOCATION_ID" },
                { "_PID=1", "UNIT", "INVOCATION_ID" },
                { "_UID=0", "OBJECT_SYSTEMD_UNIT", "OBJECT_SYSTEMD_INVOCATION_ID" },
                { "_UID=0", "COREDUMP_UNIT", "COREDUMP_INVOCATION_ID" },
        };
        int r = 0;

        sd_journal_flush_matches(journal);
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(rows); i++) {
                r = sd_journal_add_disjunction(journal);
                if (r >= 0 && rows[i].trusted)
                        r = sd_journal_add_match(journal, rows[i].trusted, 0);
                if (r >= 0)
                        r = add_match(journal, rows[i].unit, unit);
                if (r >= 0 && invocation)
                        r = add_match(journal, rows[i].invocation, invocation);
        }
        return r;
}

/* The value of a field, not terminated. */
static bool get_field(sd_journal *journal, const char *field, const char **ret, size_t *ret_size) {
        size_t size, n = strlen(field);
        const void *data;

        if (sd_journal_get_data(journal, field, &data, &size) < 0 || size <= n)
                return false;
        *ret = (const char *) data + n + 1;
        *ret_size = size - n - 1;
        return true;
}

static bool get_number(sd_journal *journal, const char *field, uint64_t *ret) {
        char text[32];
        const char *value;
        size_t n;

        if (!get_field(journal, field, &value, &n) || n >= sizeof(text))
                return false;
        memcpy(text, value, n);
        text[n] = '\0';
        return parse_uint64(text, ret) >= 0;
}

/* The start that the newest entry is of. 1, or 0 where no entry tells. */
static int find_invocation(sd_journal *journal, char ret[static SD_ID128_STRING_MAX]) {
        static const char *const fields[] = { "_SYSTEMD_INVOCATION_ID", "INVOCATION_ID",
                                              "OBJECT_SYSTEMD_INVOCATION_ID" };
        int r;

        r = sd_journal_seek_tail(journal);
        while (r >= 0 && (r = sd_journal_previous(journal)) > 0)
                for (size_t i = ARRAY_LEN(fields); i > 0;
                     i--) { /* lines about the container have their writer's own in the first */
                        const char *value;
                        size_t n;

                        if (!get_field(journal, fields[i - 1], &value, &n) || n != SD_ID128_STRING_MAX - 1)
                                continue;
                        memcpy(ret, value, n);
                        ret[n] = '\0';
                        return 1;
                }
        return r;
}

/* Without what a terminal would obey, or what forges the next line; what is no UTF-8 is a question mark. */
static void print_text(const char *s, size_t n) {
        while (n > 0) {
                size_t valid = utf8_valid_prefix(s, n);

                print_disarmed(s, valid);
                s += valid;
                n -= valid;
                if (n > 0) {
                        putchar('?');
                        s++;
                        n--;
                }
        }
}

static void print_line(sd_journal *journal) {
        const char *message = "", *identifier = "";
        size_t message_size = 0, identifier_size = 0;
        uint64_t usec = 0, pid;
        char when[32];

        (void) sd_journal_get_realtime_usec(journal, &usec);
        format_time(usec, /* utc= */ false, when);
        printf("%s ", when);
        if (!get_field(journal, "SYSLOG_IDENTIFIER", &identifier, &identifier_size))
                (void) get_field(journal, "_COMM", &identifier, &identifier_size);
        print_text(identifier, identifier_size);
        if (get_number(journal, "_PID", &pid))
                printf("[%" PRIu64 "]", pid);
        printf(": ");
        (void) get_field(journal, "MESSAGE", &message, &message_size);
        print_text(message, message_size);
        putchar('\n');
}

static int print_member(const char *name, const char *value, size_t n, bool base64) {
        _cleanup_free_ char *text = malloc(base64 ? JSON_BASE64_MAX(n) : JSON_TEXT_MAX(n));
        size_t size;

        if (!text)
                return -ENOMEM;
        size = base64 ? json_base64(value, n, text) : json_text(value, n, text);
        printf(",\"%s\":%.*s", name, (int) size, text);
        return 0;
}

static int print_object(sd_journal *journal) {
        _cleanup_free_ char *cursor = NULL;
        const char *value = "";
        uint64_t usec = 0, number;
        char when[32];
        size_t n = 0;
        bool utf8;
        int r = 0;

        (void) sd_journal_get_realtime_usec(journal, &usec);
        format_time(usec, /* utc= */ true, when);
        printf("{\"time\":\"%s\",\"realtime_usec\":%" PRIu64, when, usec);
        if (get_number(journal, "PRIORITY", &number))
                printf(",\"priority\":%" PRIu64, number);
        if (get_number(journal, "_PID", &number))
                printf(",\"pid\":%" PRIu64, number);
        if (get_field(journal, "SYSLOG_IDENTIFIER", &value, &n) && utf8_valid_prefix(value, n) == n)
                r = print_member("identifier", value, n, false);
        value = "";
        n = 0;
        (void) get_field(journal, "MESSAGE", &value, &n);
        utf8 = utf8_valid_prefix(value, n) == n;
        if (r >= 0)
                r = print_member("message", value, n, !utf8);
        printf(",\"encoding\":\"%s\"", utf8 ? "utf-8" : "base64");
        if (r >= 0 && sd_journal_get_cursor(journal, &cursor) >= 0)
                r = print_member("cursor", cursor, strlen(cursor), false);
        puts("}");
        return r;
}

/* Goes to where the first entry to print is the next one. */
static int seek(Logs *logs) {
        int r;

        if (logs->lines == UINT64_MAX)
                return logs->since_usec > 0 ? sd_journal_seek_realtime_usec(logs->journal, logs->since_usec)
                                            : sd_journal_seek_head(logs->journal);
        r = sd_journal_seek_tail(logs->journal);
        if (r < 0)
                return r;
        /* The one before those: next() then is the first of them. */
        r = sd_journal_previous_skip(logs->journal, logs->lines + 1);
        if (r >= 0 && (uint64_t) r <= logs->lines)
                r = sd_journal_seek_head(logs->journal);
        return r;
}

static int print_new(Logs *logs) {
        int r;

        while ((r = sd_journal_next(logs->journal)) > 0) {
                uint64_t usec;

                if (logs->since_usec > 0 && sd_journal_get_realtime_usec(logs->journal, &usec) >= 0 &&
                    usec < logs->since_usec)
                        continue;
                logs->printed++;
                if (!logs->json)
                        print_line(logs->journal);
                else if ((r = print_object(logs->journal)) < 0)
                        break;
        }
        /* Whoever read has gone. */
        return r < 0 ? r : fflush(stdout) != 0 ? -errno : 0;
}

/* 1: there may be more; 0: nobody reads any more. */
static int wait_for_more(sd_journal *journal) {
        struct pollfd fds[] = { { .fd = sd_journal_get_fd(journal) }, { .fd = STDOUT_FILENO } };
        uint64_t until;
        int r;

        if (fds[0].fd < 0)
                return fds[0].fd;
        r = sd_journal_get_events(journal);
        if (r < 0)
                return r;
        fds[0].events = (short) r;
        r = sd_journal_get_timeout(journal,
                                   &until); /* set only where the file system cannot tell of changes */
        if (r < 0)
                return r;
        if (poll(fds, ARRAY_LEN(fds), until == UINT64_MAX ? -1 : POLL_MS) < 0)
                return -errno;
        if (fds[1].revents & (POLLERR | POLLHUP))
                return 0;
        r = sd_journal_process(journal);
        return r < 0 ? r : 1;
}

static bool is_container(const Logs *logs) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_unit_status_ UnitStatus status = {};
        _cleanup_item_ Item item = {};

        return (item_open(logs->name, &item) >= 0 && item_runs(&item)) ||
               (bus_get_unit(bus, logs->unit, &status) >= 0 && roster_is_container(logs->name, &status));
}

static int show(Logs *logs, bool latest) {
        char invocation[SD_ID128_STRING_MAX];
        int r;

        r = add_matches(logs->journal, logs->unit, NULL);
        if (r >= 0 && latest) {
                r = find_invocation(logs->journal, invocation);
                if (r > 0)
                        r = add_matches(logs->journal, logs->unit, invocation);
        }
        if (r >= 0)
                r = seek(logs);
        if (r >= 0)
                r = print_new(logs);
        if (r >= 0 && logs->follow && logs->printed == 0 && !is_container(logs))
                return 0; /* whom nobody waits for */
        while (r >= 0 && logs->follow) {
                r = wait_for_more(logs->journal);
                if (r == 0) /* whoever read has gone */
                        break;
                if (r >= 0)
                        r = print_new(logs);
        }
        return r;
}

/* -1: go on; else the exit status. */
static int read_options(const Call *call, Logs *ret) {
        const char *lines = call_value(call, LOGS_LINES), *since = call_value(call, LOGS_SINCE);

        ret->name = call->operands[0];
        ret->json = call_has(call, LOGS_JSON);
        ret->follow = call_has(call, LOGS_FOLLOW);
        ret->lines = ret->follow && !since ? FOLLOW_LINES : UINT64_MAX;
        if (!name_valid(ret->name, false))
                return known_refuse(ret->name);
        snprintf(ret->unit, sizeof(ret->unit), "%s.service", ret->name);
        if (lines && !streq(lines, "all") &&
            (parse_uint64(lines, &ret->lines) < 0 || ret->lines > INT32_MAX)) {
                log_error("--lines=%s: expected a number, or all", lines);
                return EXIT_USAGE;
        }
        if (lines && streq(lines, "all"))
                ret->lines = UINT64_MAX;
        if (since && since_parse(since, clock_usec(CLOCK_REALTIME), &ret->since_usec) < 0) {
                log_error("--since=%s: expected a time, like '2026-11-23 04:05:06', yesterday, '5min ago' or -5min",
                          since);
                return EXIT_USAGE;
        }
        return -1;
}

/* A service of the host that has the name of no container: its log is journalctl(1)'s to show. Of a name that nothing has any
 * more the journal may still have what was a service, as well as what was a container: root may read it all, a user of
 * the gate, whom polkit allows the containers' logs, may not. */
static bool is_foreign(const char *name, const char *unit) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = bus_open();
        _cleanup_unit_status_ UnitStatus status = {};
        _cleanup_item_ Item item = {};

        if (item_open(name, &item) >= 0 && item_runs(&item))
                return false;
        if (bus_get_unit(bus, unit, &status) < 0 || !status.load || streq(status.load, "not-found"))
                return hold_for_user() && !known_container(name);
        return !roster_is_container(name, &status);
}

/* Nothing of a container is no failure, and nothing of none is one. */
static int nothing_there(const Logs *logs) {
        if (!is_container(logs))
                return known_refuse(logs->name);
        if (logs->lines > 0 && logs->since_usec == 0)
                log_info("the journal has nothing of '%s'", logs->unit);
        return EXIT_DONE;
}

int verb_logs(int argc _unused_, char *argv[]) {
        _cleanup_(logs_done) Logs logs = {};
        _cleanup_call_ Call call = {};
        int r;

        r = call_read("logs", argv, 1, 1, &call);
        if (r < 0)
                r = read_options(&call, &logs);
        if (r >= 0)
                return r;
        if (is_foreign(logs.name, logs.unit))
                return known_refuse(logs.name);
        r = sd_journal_open(&logs.journal, SD_JOURNAL_LOCAL_ONLY);
        if (r >= 0)
                r = show(&logs, call_has(&call, LOGS_INVOCATION));
        if (r < 0)
                return log_error_errno(r, "cannot read the journal of '%s': %m", logs.unit), EXIT_FAILED;
        return logs.printed > 0 ? EXIT_DONE : nothing_there(&logs);
}
