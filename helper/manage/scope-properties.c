/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/scope-properties.h"

#include <stdio.h>

#include "common/log.h"
#include "common/network.h"
#include "common/parse.h"
#include "common/signals.h"
#include "helper/verbs/options.h"

#define CPUS_MAX    8192  /* as systemd's own reading has it */
#define PERCENT     100   /* in hundredths, which is what systemd reckons with */
#define ALL         10000 /* 100 % */
#define WEIGHT_MAX  10000 /* Documentation/admin-guide/cgroup-v2.rst */
#define WEIGHT_IDLE 0

typedef enum Kind {
        KIND_BYTES,
        KIND_TASKS,
        KIND_QUOTA,
        KIND_TIME,
        KIND_WEIGHT,
        KIND_WEIGHT_OR_IDLE,
        KIND_NUMBERS, /* of CPUs or memory nodes */
        KIND_DEVICE_RATE,
        KIND_DEVICE_WEIGHT,
        KIND_DEVICE_TIME,
        KIND_ADDRESSES,
        KIND_SIGNAL,
        _KIND_MAX,
} Kind;

typedef struct Row {
        const char *name;
        const char *bus_name; /* org.freedesktop.systemd1(5); NULL: the same */
        const char *controller;
        Kind kind;
} Row;

/* clang-format off */
static const Row rows[] = {
        { "AllowedCPUs",              NULL,                        "cpuset", KIND_NUMBERS },
        { "AllowedMemoryNodes",       NULL,                        "cpuset", KIND_NUMBERS },
        { "CPUQuota",                 "CPUQuotaPerSecUSec",        "cpu",    KIND_QUOTA },
        { "CPUQuotaPeriodSec",        "CPUQuotaPeriodUSec",        "cpu",    KIND_TIME },
        { "CPUWeight",                NULL,                        "cpu",    KIND_WEIGHT_OR_IDLE },
        { "IODeviceLatencyTargetSec", "IODeviceLatencyTargetUSec", "io",     KIND_DEVICE_TIME },
        { "IODeviceWeight",           NULL,                        "io",     KIND_DEVICE_WEIGHT },
        { "IOReadBandwidthMax",       NULL,                        "io",     KIND_DEVICE_RATE },
        { "IOReadIOPSMax",            NULL,                        "io",     KIND_DEVICE_RATE },
        { "IOWeight",                 NULL,                        "io",     KIND_WEIGHT },
        { "IOWriteBandwidthMax",      NULL,                        "io",     KIND_DEVICE_RATE },
        { "IOWriteIOPSMax",           NULL,                        "io",     KIND_DEVICE_RATE },
        { "IPAddressAllow",           NULL,                        NULL,     KIND_ADDRESSES },
        { "IPAddressDeny",            NULL,                        NULL,     KIND_ADDRESSES },
        { "KillSignal",               NULL,                        NULL,     KIND_SIGNAL },
        { "MemoryHigh",               NULL,                        "memory", KIND_BYTES },
        { "MemoryLow",                NULL,                        "memory", KIND_BYTES },
        { "MemoryMax",                NULL,                        "memory", KIND_BYTES },
        { "MemoryMin",                NULL,                        "memory", KIND_BYTES },
        { "MemorySwapMax",            NULL,                        "memory", KIND_BYTES },
        { "MemoryZSwapMax",           NULL,                        "memory", KIND_BYTES },
        { "TasksMax",                 NULL,                        "pids",   KIND_TASKS },
        { "TimeoutStopSec",           "TimeoutStopUSec",           NULL,     KIND_TIME },
};

static const char *const expected[_KIND_MAX] = {
        [KIND_BYTES] = "bytes, like 512M, a part of the machine's memory, like 10%, or infinity",
        [KIND_TASKS] = "a number, a part of the machine's, like 10%, or infinity",
        [KIND_QUOTA] = "a part of one CPU's time, like 50%",
        [KIND_TIME] = "a time span, like 50ms",
        [KIND_WEIGHT] = "a number from 1 to 10000",
        [KIND_WEIGHT_OR_IDLE] = "a number from 1 to 10000, or idle",
        [KIND_NUMBERS] = "numbers and ranges, like 0-3,6",
        [KIND_DEVICE_RATE] = "a path and a number, like /dev/sda 10M",
        [KIND_DEVICE_WEIGHT] = "a path and a number from 1 to 10000, like /dev/sda 50",
        [KIND_DEVICE_TIME] = "a path and a time span, like /dev/sda 25ms",
        [KIND_ADDRESSES] = "addresses, ADDRESS/LENGTH, any, localhost, link-local or multicast",
        [KIND_SIGNAL] = "a signal, like SIGINT",
};
/* clang-format on */

/* What a value is; which member is the kind's to know. */
typedef struct Value {
        bool scale; /* number is of UINT32_MAX, a part of what the machine has */
        uint64_t number;
        char *path;
        uint8_t bits[CPUS_MAX / 8];
        size_t n_bytes;
        NetPrefix prefixes[64];
        size_t n_prefixes;
} Value;

static const Row *find_row(const char *assignment) {
        size_t n = strcspn(assignment, "=");

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (strlen(rows[i].name) == n && strncmp(rows[i].name, assignment, n) == 0)
                        return &rows[i];
        return NULL;
}

static const char *bus_name(const Row *row) {
        return row->bus_name ? row->bus_name : row->name;
}

/* "12.5%" in hundredths of a percent. */
static int parse_percent(const char *s, uint64_t *ret) {
        const char *end = endswith(s, "%");
        char whole[24], digits[3] = "00";
        const char *dot;
        uint64_t a, b;

        if (!end || end - s >= (ptrdiff_t) sizeof(whole))
                return -EINVAL;
        snprintf(whole, sizeof(whole), "%.*s", (int) (end - s), s);
        dot = strchr(whole, '.');
        if (dot) {
                size_t n = strlen(dot + 1);

                if (n < 1 || n > 2)
                        return -EINVAL;
                memcpy(digits, dot + 1, n);
                whole[dot - whole] = '\0';
        }
        if (parse_uint64(whole, &a) < 0 || parse_uint64(digits, &b) < 0 || a > UINT32_MAX)
                return -EINVAL;
        *ret = a * PERCENT + b;
        return 0;
}

/* A part of all that there is, as systemd passes it on. */
static int parse_part(const char *s, Value *value) {
        uint64_t part;

        if (parse_percent(s, &part) < 0 || part == 0 || part > ALL)
                return -EINVAL;
        value->scale = true;
        value->number = part * UINT32_MAX / ALL;
        return 0;
}

/* "0-3,6 7" */
static int parse_numbers(const char *s, Value *value) {
        _cleanup_free_ char *copy = strdup(s);
        char *rest = copy, *word;

        if (!copy)
                return -ENOMEM;
        while ((word = strsep(&rest, ", "))) {
                char *dash = strchr(word, '-');
                uint32_t from, to;

                if (*word == '\0')
                        continue;
                if (dash)
                        *dash++ = '\0';
                if (parse_uint32(word, &from) < 0 || parse_uint32(dash ? dash : word, &to) < 0 ||
                    from > to || to >= CPUS_MAX)
                        return -EINVAL;
                for (uint32_t i = from; i <= to; i++)
                        value->bits[i / 8] |= (uint8_t) (1U << (i % 8));
                value->n_bytes = MAX(value->n_bytes, (size_t) to / 8 + 1);
        }
        return value->n_bytes > 0 ? 0 : -EINVAL;
}

static int parse_weight(const char *s, uint64_t *ret) {
        uint64_t n;

        if (parse_uint64(s, &n) < 0 || n < 1 || n > WEIGHT_MAX)
                return -EINVAL;
        *ret = n;
        return 0;
}

/* "/dev/sda 10M" */
static int parse_device(Kind kind, const char *s, Value *value) {
        const char *space = strrchr(s, ' ');

        if (*s != '/' || !space)
                return -EINVAL;
        value->path = strndup(s, (size_t) (space - s));
        if (!value->path)
                return -ENOMEM;
        if (kind == KIND_DEVICE_WEIGHT)
                return parse_weight(space + 1, &value->number);
        if (kind == KIND_DEVICE_TIME)
                return parse_timespan(space + 1, &value->number);
        if (streq(space + 1, "infinity"))
                return value->number = UINT64_MAX, 0;
        return parse_rate(space + 1, &value->number);
}

static int add_prefix(Value *value, const char *s) {
        const char *problem;

        if (value->n_prefixes == ARRAY_LEN(value->prefixes))
                return -E2BIG;
        return net_parse_prefix(s, &value->prefixes[value->n_prefixes++], &problem);
}

/* Of nothing: no addresses at all, which is the one value that can be empty. */
static int parse_addresses(const char *s, Value *value) {
        static const struct {
                const char *name, *in4, *in6; /* systemd.resource-control(5) */
        } words[] = {
                { "any", "0.0.0.0/0", "::/0" },
                { "localhost", "127.0.0.0/8", "::1/128" },
                { "link-local", "169.254.0.0/16", "fe80::/64" },
                { "multicast", "224.0.0.0/4", "ff00::/8" },
        };
        _cleanup_free_ char *copy = strdup(s);
        char *rest = copy, *word;
        int r = copy ? 0 : -ENOMEM;

        while (r >= 0 && (word = strsep(&rest, " "))) {
                size_t i = 0;

                if (*word == '\0')
                        continue;
                while (i < ARRAY_LEN(words) && !streq(words[i].name, word))
                        i++;
                r = add_prefix(value, i < ARRAY_LEN(words) ? words[i].in4 : word);
                if (r >= 0 && i < ARRAY_LEN(words))
                        r = add_prefix(value, words[i].in6);
        }
        return r;
}

static int parse_value(Kind kind, const char *s, Value *value) {
        int signal_number, r;

        switch (kind) {
        case KIND_BYTES:
        case KIND_TASKS:
                if (streq(s, "infinity"))
                        return value->number = UINT64_MAX, 0;
                if (endswith(s, "%"))
                        return parse_part(s, value);
                r = kind == KIND_BYTES ? parse_size(s, &value->number) : parse_uint64(s, &value->number);
                return r >= 0 && value->number == UINT64_MAX ? -ERANGE : r;
        case KIND_QUOTA:
                r = parse_percent(s, &value->number);
                value->number *= 1000000 / ALL;
                return r >= 0 && value->number == 0 ? -ERANGE : r;
        case KIND_TIME:
                return parse_timespan(s, &value->number);
        case KIND_WEIGHT_OR_IDLE:
                if (streq(s, "idle"))
                        return value->number = WEIGHT_IDLE, 0;
                return parse_weight(s, &value->number);
        case KIND_WEIGHT:
                return parse_weight(s, &value->number);
        case KIND_NUMBERS:
                return parse_numbers(s, value);
        case KIND_DEVICE_RATE:
        case KIND_DEVICE_WEIGHT:
        case KIND_DEVICE_TIME:
                return parse_device(kind, s, value);
        case KIND_ADDRESSES:
                return parse_addresses(s, value);
        case KIND_SIGNAL:
                r = signal_parse(s, &signal_number);
                value->number = r >= 0 ? (uint64_t) signal_number : 0;
                return r;
        case _KIND_MAX:
        default:
                return -EINVAL;
        }
}

static int refuse_name(const char *assignment) {
        int n = (int) strcspn(assignment, "=");
        _cleanup_free_ char *name = strndup(assignment, (size_t) n);
        const char *nearest;

        if (!name)
                return log_oom();
        if (streq(name, "RuntimeMaxSec"))
                return log_error_errno(
                                EINVAL,
                                "-p %s: use --timeout=, which also tells that it has ended the command",
                                assignment);
        nearest = options_nearest(name, rows, ARRAY_LEN(rows), sizeof(Row));
        if (nearest)
                return log_error_errno(EINVAL,
                                       "-p %s: no property that exec --scope takes (did you mean '%s'?)",
                                       assignment, nearest);
        return log_error_errno(EINVAL, "-p %s: no property that exec --scope takes, see berth(1)",
                               assignment);
}

static int read_assignment(const char *assignment, const Row **ret_row, Value *value) {
        const Row *row = find_row(assignment);
        int r;

        if (!row)
                return refuse_name(assignment);
        r = parse_value(row->kind, assignment + strlen(row->name) + 1, value);
        if (r == -ENOMEM)
                return log_oom();
        if (r < 0)
                return log_error_errno(EINVAL, "-p %s: expected %s", assignment, expected[row->kind]);
        *ret_row = row;
        return 0;
}

int scope_property_check(const char *assignment) {
        Value value = {};
        const Row *row;
        int r = read_assignment(assignment, &row, &value);

        free(value.path);
        return r;
}

static int add_addresses(Transient *transient, const char *name, const Value *value) {
        int r = transient_add(transient, name, "a(iayu)", 0);

        for (size_t i = 0; r >= 0 && i < value->n_prefixes; i++)
                r = transient_add_prefix(transient, name, &value->prefixes[i]);
        return r;
}

static int add_value(Transient *transient, const Row *row, const Value *value) {
        const char *name = bus_name(row);
        char scale[64];

        switch (row->kind) {
        case KIND_BYTES:
        case KIND_TASKS:
                snprintf(scale, sizeof(scale), "%sScale", name);
                if (value->scale)
                        return transient_add(transient, scale, "u", (uint32_t) value->number);
                /* the keeper of the scope is one */
                return transient_add(
                                transient, name, "t",
                                value->number + (row->kind == KIND_TASKS && value->number < UINT64_MAX));
        case KIND_QUOTA:
        case KIND_TIME:
        case KIND_WEIGHT:
        case KIND_WEIGHT_OR_IDLE:
                return transient_add(transient, name, "t", value->number);
        case KIND_NUMBERS:
                return transient_add_bytes(transient, name, value->bits, value->n_bytes);
        case KIND_DEVICE_RATE:
        case KIND_DEVICE_WEIGHT:
        case KIND_DEVICE_TIME:
                return transient_add(transient, name, "a(st)", 1, value->path, value->number);
        case KIND_ADDRESSES:
                return add_addresses(transient, name, value);
        case KIND_SIGNAL:
                return transient_add(transient, name, "i", (int) value->number);
        case _KIND_MAX:
        default:
                return -EINVAL;
        }
}

int scope_property_add(Transient *transient, const char *assignment) {
        Value value = {};
        const Row *row;
        int r = read_assignment(assignment, &row, &value);

        if (r >= 0) {
                r = add_value(transient, row, &value);
                if (r < 0)
                        log_error_errno(r, "-p %s: %m", assignment);
        }
        free(value.path);
        return r;
}

bool scope_property_is(const char *assignment, const char *name) {
        const Row *row = find_row(assignment);

        return row && streq(bus_name(row), name);
}

const char *scope_property_controller(const char *assignment) {
        const Row *row = find_row(assignment);

        return row ? row->controller : NULL;
}
