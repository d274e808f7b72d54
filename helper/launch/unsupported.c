/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/unsupported.h"

#include "common/log.h"
#include "common/network.h"
#include "common/parse.h"
#include "common/unsupported.h"
#include "helper/verbs/verbs.h"

/* The forms: NULL if value has it, else what was expected. */

static const char *form_any(const char *value _unused_) {
        return NULL;
}

static const char *form_text(const char *value) {
        return value[0] != '\0' ? NULL : "something";
}

static const char *form_boolean(const char *value) {
        bool b;

        return parse_bool(value, &b) >= 0 ? NULL : "yes or no";
}

static const char *form_number(const char *value) {
        uint64_t v;

        return parse_uint64(value, &v) >= 0 && v > 0 ? NULL : "a number above 0";
}

static const char *form_words(const char *value, const char *const words[], const char *expected) {
        for (; *words; words++)
                if (streq(*words, value))
                        return NULL;
        return expected;
}

static const char *form_policy(const char *value) {
        return form_words(value, (const char *const[]){ "allow-all", "deny-all", "custom", NULL },
                          "allow-all, deny-all or custom");
}

static const char *form_verdict(const char *value) {
        return form_words(value, (const char *const[]){ "allow", "deny", NULL }, "allow or deny");
}

static const char *form_protocol(const char *value) {
        return form_words(value, (const char *const[]){ "tcp", "udp", "icmp", NULL }, "tcp, udp or icmp");
}

static const char *form_publish(const char *value) {
        const char *problem;
        NetPublish p;

        return net_parse_publish(value, &p, &problem) >= 0 ? NULL : "[ADDR:]HOST:CONTAINER[/PROTO]";
}

static const char *form_endpoint(const char *value) {
        const char *problem;
        NetEndpoint e;

        return net_parse_endpoint(value, &e, &problem) >= 0 ? NULL : "ADDR:PORT/PROTO";
}

static const char *form_prefix(const char *value) {
        const char *problem;
        NetPrefix p;

        return net_parse_prefix(value, &p, &problem) >= 0 ? NULL : "a network, ADDR/LENGTH";
}

static const char *form_address(const char *value) {
        const char *problem;
        NetAddress a;

        return net_parse_address(value, &a, &problem) >= 0 ? NULL : "an address";
}

static const char *form_domain(const char *value) {
        char name[NET_DOMAIN_SIZE];
        const char *problem;

        return net_parse_domain(value, name, &problem) >= 0 ? NULL : "NAME or *.NAME, two labels at least";
}

static const char *form_port(const char *value) {
        const char *problem;
        uint16_t port;

        return net_parse_port(value, &port, &problem) >= 0 ? NULL : "a port from 1 to 65535";
}

#define UNSUPPORTED_ROW(option, section, key, harmless, form, mend) \
        { LAUNCH_##option, section, key, harmless, form_##form, mend },

static const struct Row {
        LaunchOption option;
        const char *section, *key, *harmless;
        const char *(*form)(const char *value);
        const char *mend;
} rows[] = { UNSUPPORTED_KEYS(UNSUPPORTED_ROW) };

int unsupported_take(Plan *plan, int option, const char *value) {
        const char *expected;
        size_t row = 0;
        Asked *grown;

        while (row < ARRAY_LEN(rows) && (int) rows[row].option != option)
                row++;
        if (row == ARRAY_LEN(rows))
                return -ENOENT;
        expected = rows[row].form(value);
        if (expected)
                return log_error_errno(EINVAL, "--%s is '%s': expected %s", launch_options[option].name,
                                       value, expected);
        grown = reallocarray(plan->asked, plan->n_asked + 1, sizeof(Asked));
        if (!grown)
                return log_oom();
        plan->asked = grown;
        plan->asked[plan->n_asked++] = (Asked){ row, value };
        return 0;
}

void unsupported_print(FILE *f, const Plan *plan) {
        for (size_t i = 0; i < plan->n_asked; i++) {
                const struct Row *row = &rows[plan->asked[i].row];

                /* what other options print is told from it by its section */
                if (row->option != LAUNCH_NETWORK)
                        plan_print_value(f, launch_options[row->option].name, plan->asked[i].value);
        }
}

/* Is value one of the harmless? */
static bool is_harmless(const struct Row *row, const char *value) {
        size_t n = strlen(value);

        for (const char *s = row->harmless; *s; s += strcspn(s, "|"), s += *s == '|')
                if (strncmp(s, value, n) == 0 && (s[n] == '|' || s[n] == '\0'))
                        return true;
        return false;
}

/* Was the same key told before number i? */
static bool told(const Plan *plan, size_t i) {
        const struct Row *row = &rows[plan->asked[i].row];

        for (size_t j = 0; j < i; j++) {
                const struct Row *before = &rows[plan->asked[j].row];

                if (streq(before->key, row->key) && streq(before->section, row->section) &&
                    !is_harmless(before, plan->asked[j].value))
                        return true;
        }
        return false;
}

int unsupported_refuse(const Plan *plan) {
        int r = 0;

        for (size_t i = 0; i < plan->n_asked; i++) {
                const struct Row *row = &rows[plan->asked[i].row];

                if (is_harmless(row, plan->asked[i].value) || told(plan, i))
                        continue;
                r = log_error_errno(EOPNOTSUPP,
                                    "%s=%s in [%s] is not supported by this version of Berth (%s); %s",
                                    row->key, row->option == LAUNCH_NETWORK ? plan->asked[i].value : "",
                                    row->section, BERTH_VERSION, row->mend);
        }
        return r;
}
