/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/further.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/strv.h"
#include "generator/pass.h"
#include "generator/proxies.h"
#include "generator/specifier.h"
#include "generator/unit.h"
#include "generator/words.h"

#define PROGRAM BERTH_BINDIR "/berth"

typedef struct Build {
        Manifest *m;
        const World *world;
        Further *further;
} Build;

void further_done(Further *f) {
        for (size_t i = 0; i < f->n; i++) {
                free(f->list[i].path);
                free(f->list[i].text);
        }
        free(f->list);
        strv_free(f->proxies);
        *f = (Further){ 0 };
}

int further_add(Further *f, char *path, Text *text) {
        FurtherUnit made = { .path = path }, *list = f->list;
        int r;

        unit_section(text, "X-Berth");
        text_add(text, "Format=1\n");
        r = text_take(text, &made.text, &made.size);
        if (r >= 0 && (f->n & (f->n + 1)) == 0)
                list = reallocarray(f->list, (f->n + 1) * 2, sizeof(FurtherUnit));
        if (r < 0 || !path || !list) {
                free(path);
                free(made.text);
                return -ENOMEM;
        }
        f->list = list;
        f->list[f->n++] = made;
        return 0;
}

static int finish(Build *b, char *path, Text *text) {
        return further_add(b->further, path, text);
}

/* The manifest's own name or template with another suffix, "web.socket", or that of a kind of unit for it:
 * "berth-health@web.timer". An instance's name can hold another one, but a template cannot: there is
 * "berth-health-web@.timer". */
static char *unit_name(const Manifest *m, const char *kind, const char *suffix) {
        char *name;

        if (asprintf(&name, "%s%s%s%s", kind,
                     *kind == '\0'            ? ""
                     : endswith(m->name, "@") ? "-"
                                              : "@",
                     m->name, suffix) < 0)
                return NULL;
        return name;
}

/* The same as another unit names it, with the instance. */
static void add_unit_name(Text *t, const Manifest *m, const char *directive, const char *kind,
                          const char *suffix) {
        text_addf(t, "%s=%s%s", directive, kind, *kind == '\0' ? "" : endswith(m->name, "@") ? "-" : "@");
        pass_name(t, m, "", suffix);
        text_add(t, "\n");
}

/* Is at least one directive with that beginning set? An empty one empties all of them, as systemd reads it. */
static bool has_directive(const Manifest *m, const char *section, const char *beginning) {
        bool has = false;
        StoreValue v;

        for (unsigned i = 0; store_get(m->store, section, "*", i, &v); i++)
                if (startswith(v.text, beginning))
                        has = v.text[strcspn(v.text, "=") + 1] != '\0';
        return has;
}

/* A unit that is a section of the manifest and has the service's name. */
static int build_passed(Build *b, const char *section, const char *suffix, const char *description,
                        const char *needs, bool *ret_there) {
        _cleanup_text_ Text text = { 0 };
        Pass pass = { b->m, b->world, &text };
        char *name;
        int r;

        if (store_count(b->m->store, section, "*") == -ENOENT)
                return 0;
        if (!has_directive(b->m, section, needs)) {
                diag_error(&b->m->diags, store_place(b->m->store, section, "*"), 1,
                           "[%s] has no %s...=; add one, or remove the section", section, needs);
                return 0;
        }
        name = unit_name(b->m, "", suffix);
        if (!name)
                return -ENOMEM;
        if (b->world->unit_exists(b->world->data, name)) {
                diag_error(&b->m->diags, store_place(b->m->store, section, "*"), 1,
                           "systemd has a unit '%s' already, which a manifest must not replace; rename the file",
                           name);
                free(name);
                return 0;
        }
        r = pass_head(&pass, description);
        if (r >= 0) {
                unit_section(&text, section);
                r = pass_section(&pass, section, NULL);
        }
        if (r < 0) {
                free(name);
                return r;
        }
        *ret_there = true;
        return finish(b, name, &text);
}

/* Does the health check have all that it needs? */
static bool has_health(const Manifest *m) {
        const char *exec = store_text(m->store, "Health", "Exec");

        return exec && exec[0] != '\0';
}

/* A span of ours, digits of microseconds, as systemd and parse_timespan() read it. */
static void add_span(Text *t, const char *before, const char *usec, const char *after) {
        unsigned long long v = strtoull(usec, NULL, 10);

        if (v % 1000000 == 0)
                text_addf(t, "%s%llus%s", before, v / 1000000, after);
        else
                text_addf(t, "%s%lluus%s", before, v, after);
}

static const char *health_text(const Manifest *m, const char *key, const char *otherwise) {
        const char *text = store_text(m->store, "Health", key);

        return text ? text : otherwise;
}

/* Notify=healthy: the service is started only when a check has succeeded, and so the check cannot be after it. */
static bool waits_for_health(const Manifest *m) {
        const char *notify = store_text(m->store, "Container", "Notify");

        return notify && streq(notify, "healthy");
}

static const char *shorter(const char *a, const char *b) {
        return strtoull(a, NULL, 10) < strtoull(b, NULL, 10) ? a : b;
}

static int build_health_timer(Build *b) {
        const char *interval = health_text(b->m, "Interval", "30000000");
        _cleanup_text_ Text text = { 0 };
        Pass pass = { b->m, b->world, &text };
        int r;

        r = pass_head(&pass, " health timer (berth)");
        if (r < 0)
                return r;
        /* Ends with the service, whatever ended that; only the service starts it. */
        add_unit_name(&text, b->m, "BindsTo", "", ".service");
        if (!waits_for_health(b->m))
                add_unit_name(&text, b->m, "After", "", ".service");
        unit_section(&text, "Timer");
        /* The start waits for it. */
        add_span(&text, "OnActiveSec=", waits_for_health(b->m) ? shorter(interval, "1000000") : interval,
                 "\n");
        add_span(&text, "OnUnitInactiveSec=", interval, "\n");
        /* The default of a minute would be longer than most intervals. */
        text_add(&text,
                 strtoull(interval, NULL, 10) >= 10000000 ? "AccuracySec=1s\n" : "AccuracySec=100ms\n");
        return finish(b, unit_name(b->m, "berth-health", ".timer"), &text);
}

static int build_health_command(Build *b, Text *text) {
        _cleanup_strv_ char **words = NULL;
        _cleanup_free_ char *unit = NULL;
        WordsError error;
        int r;

        r = words_split(store_text(b->m->store, "Health", "Exec"), &words, &error);
        if (r < 0)
                return r; /* types.c let it in: only memory is left */
        pass_name(text, b->m, "ExecStart=:" PROGRAM " health \"--name=", "\"");
        add_span(text, " \"--interval=", health_text(b->m, "Interval", "30000000"), "\"");
        add_span(text, " \"--timeout=", health_text(b->m, "Timeout", "30000000"), "\"");
        text_addf(text, " \"--retries=%s\"", health_text(b->m, "Retries", "3"));
        add_span(text, " \"--start-period=", health_text(b->m, "StartPeriod", "0"), "\"");
        if (waits_for_health(b->m))
                text_add(text, " \"--notify=yes\"");
        text_addf(text, " \"--on-failure=%s\" --", health_text(b->m, "OnFailure", "none"));
        unit = unit_name(b->m, "", ".service");
        for (size_t i = 0; unit && words && words[i]; i++) {
                _cleanup_free_ char *word = NULL;

                r = specifier_bind(words[i], unit, &word);
                if (r < 0)
                        return r;
                if (strlen(word) > ARGUMENT_MAX || text->size > UNIT_LINE_MAX / 2) {
                        diag_error(&b->m->diags, store_place(b->m->store, "Health", "Exec"), 1,
                                   "the command of a check has at most %d bytes a word and %d in all; have it run a "
                                   "program of the container",
                                   ARGUMENT_MAX, UNIT_LINE_MAX / 2);
                        break;
                }
                text_add(text, " ");
                unit_word(text, word, UNIT_SPECIFIERS);
        }
        if (!unit)
                return -ENOMEM;
        text_add(text, "\n");
        return 0;
}

static int build_health_service(Build *b) {
        unsigned long long timeout = strtoull(health_text(b->m, "Timeout", "30000000"), NULL, 10);
        _cleanup_text_ Text text = { 0 };
        Pass pass = { b->m, b->world, &text };
        int r;

        r = pass_head(&pass, " health check (berth)");
        if (r < 0)
                return r;
        if (!waits_for_health(b->m))
                add_unit_name(&text, b->m, "After", "", ".service");
        text_add(&text, "StartLimitIntervalSec=0\n"); /* an interval may be a second */
        unit_section(&text, "Service");
        /* A check that fails is a result, and one that is not made for want of a container is none: neither is a
         * failed unit. Nor is each worth two lines of the journal. */
        text_add(&text, "Type=oneshot\nSuccessExitStatus=1 4\nLogLevelMax=notice\n");
        pass_name(&text, b->m, "SyslogIdentifier=", "\n");
        /* The check has its own clock, and some seconds to end what it has started. */
        text_addf(&text, "TimeoutStartSec=%llu\n", timeout / 1000000 + 30);
        r = build_health_command(b, &text);
        return r < 0 ? r : finish(b, unit_name(b->m, "berth-health", ".service"), &text);
}

/* "berth-proxy-web-80.socket"; of an instance "berth-proxy-web-80@one.socket", of a template the same with "@" and,
 * where another unit names it, the instance. */
static char *proxy_name(const Manifest *m, const Proxy *p, const char *instance, const char *suffix) {
        const char *at = m->name + strcspn(m->name, "@");
        char *name;

        if (asprintf(&name, "berth-proxy-%.*s-%u%s%s%s", (int) (at - m->name), m->name, p->host, at,
                     streq(at, "@") ? instance : "", suffix) < 0)
                return NULL;
        return name;
}

/* Listens from before the service's start to its stop, and while it is restarted. */
static int build_proxy_socket(Build *b, const Proxy *p) {
        _cleanup_text_ Text text = { 0 };
        Pass pass = { b->m, b->world, &text };
        char description[64];
        int r;

        snprintf(description, sizeof(description), " port %u (berth)", p->host);
        r = pass_head(&pass, description);
        if (r < 0)
                return r;
        add_unit_name(&text, b->m, "PartOf", "", ".service");
        unit_section(&text, "Socket");
        for (const char *s = p->listen; *s; s += strcspn(s, " "), s += *s == ' ')
                text_addf(&text, "ListenStream=%.*s\n", (int) strcspn(s, " "), s);
        return finish(b, proxy_name(b->m, p, "", ".socket"), &text);
}

static int build_proxy_service(Build *b, const Proxy *p) {
        _cleanup_text_ Text text = { 0 };
        Pass pass = { b->m, b->world, &text };
        char description[64];
        int r;

        snprintf(description, sizeof(description), " port %u proxy (berth)", p->host);
        r = pass_head(&pass, description);
        if (r < 0)
                return r;
        /* A connection starts the proxy, but never the container. */
        add_unit_name(&text, b->m, "Requisite", "", ".service");
        add_unit_name(&text, b->m, "After", "", ".service");
        unit_section(&text, "Service");
        /* Not notify: the proxy of systemd 252 never says that it is ready. */
        text_add(&text,
                 "Type=exec\nNoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\n"
                 "DevicePolicy=closed\n");
        pass_name(&text, b->m, "SyslogIdentifier=", "\n");
        pass_name(&text, b->m, "ExecStart=:" PROGRAM " proxy \"--name=", "\"");
        text_addf(&text, " \"--to=%u\"\n", p->container);
        return finish(b, proxy_name(b->m, p, "", ".service"), &text);
}

static int build_proxies(Build *b) {
        _cleanup_(proxies_done) Proxies proxies = { 0 };
        int r = proxies_collect(b->m, &proxies);

        for (size_t i = 0; r >= 0 && i < proxies.n; i++) {
                r = build_proxy_socket(b, &proxies.list[i]);
                if (r >= 0)
                        r = build_proxy_service(b, &proxies.list[i]);
                if (r >= 0)
                        r = strv_consume(&b->further->proxies, proxy_name(b->m, &proxies.list[i], "%i", ""));
        }
        return r;
}

/* Where a slip is all that was said of domains, there is a unit as well, which nothing starts: what runs of it ends
 * with the service. */
static bool has_dns(const Manifest *m, bool *ret_domains) {
        int n = store_count(m->store, "Network", "AllowDomain");

        *ret_domains = n > 0;
        return n > 0 || (n == 0 && m->diags.errors > 0);
}

/* Adds OPTION=WORD for each word of a key's values, which moves to another unit. */
static int add_bound_words(Build *b, const char *key, const char *option, Text *text) {
        _cleanup_free_ char *unit = unit_name(b->m, "", ".service");
        StoreValue v;
        int r = unit ? 0 : -ENOMEM;

        for (unsigned i = 0; r >= 0 && store_get(b->m->store, "Network", key, i, &v); i++) {
                _cleanup_strv_ char **words = NULL;
                WordsError error;

                r = words_split(v.text, &words, &error);
                for (size_t j = 0; r >= 0 && words && words[j]; j++) {
                        _cleanup_free_ char *word = NULL;

                        r = specifier_bind(words[j], unit, &word);
                        if (r < 0)
                                break;
                        text_add(text, " ");
                        unit_option(text, option, word);
                }
        }
        return r;
}

/* What answers the container's questions, and lets it reach the addresses of the answers. There before the first
 * question, gone with the container, and never by itself. It has two rights, and no way to get others: it reads what
 * comes from anywhere. */
static int build_dns(Build *b) {
        _cleanup_text_ Text text = { 0 };
        Pass pass = { b->m, b->world, &text };
        int r;

        r = pass_head(&pass, " DNS (berth)");
        if (r < 0)
                return r;
        add_unit_name(&text, b->m, "BindsTo", "", ".service");
        add_unit_name(&text, b->m, "PartOf", "", ".service");
        add_unit_name(&text, b->m, "Before", "", ".service");
        text_add(&text, "RefuseManualStart=yes\n");
        unit_section(&text, "Service");
        text_add(&text,
                 "Type=exec\nRestart=on-failure\nSlice=machine.slice\nDynamicUser=yes\n"
                 "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE\n"
                 "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE\n"
                 "NoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nPrivateDevices=yes\n"
                 "ProtectKernelTunables=yes\nProtectControlGroups=yes\nRestrictNamespaces=yes\n"
                 "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX\n"
                 "MemoryDenyWriteExecute=yes\nSystemCallFilter=@system-service\n"
                 "SystemCallArchitectures=native\nTasksMax=8\nMemoryMax=64M\n");
        pass_name(&text, b->m, "SyslogIdentifier=", "\n");
        pass_name(&text, b->m, "ExecStart=:" PROGRAM " dns \"--name=", "\"");
        r = add_bound_words(b, "AllowDomain", "--allow-domain=", &text);
        if (r >= 0)
                r = add_bound_words(b, "DNS", "--dns=", &text);
        text_add(&text, "\n");
        return r < 0 ? r : finish(b, unit_name(b->m, "berth-dns", ".service"), &text);
}

int further_build(Manifest *m, const World *world, Further *ret) {
        _cleanup_(further_done) Further further = { 0 };
        Build b = { m, world, &further };
        int r;

        r = build_passed(&b, "Socket", ".socket", " socket (berth)", "Listen", &further.socket);
        if (r >= 0)
                r = build_passed(&b, "Timer", ".timer", " timer (berth)", "On", &further.timer);
        further.health = has_health(m);
        if (r >= 0 && further.health)
                r = build_health_timer(&b);
        if (r >= 0 && further.health)
                r = build_health_service(&b);
        if (r >= 0)
                r = build_proxies(&b);
        if (r >= 0 && has_dns(m, &further.dns))
                r = build_dns(&b);
        if (r < 0)
                return r;
        *ret = further;
        further = (Further){ 0 };
        return 0;
}

void further_dependencies(const Further *f, const Manifest *m, Text *text) {
        if (f->health)
                add_unit_name(text, m, "Wants", "berth-health", ".timer");
        /* Without it nothing is let through that it would have to let through: launch says so, not a dependency. */
        if (f->dns) {
                add_unit_name(text, m, "Wants", "berth-dns", ".service");
                add_unit_name(text, m, "After", "berth-dns", ".service");
        }
        /* A port that is taken fails the start: nothing is published by half. A proxy ends with the container, whatever
         * ended that: the next one has another network. */
        for (size_t i = 0; f->proxies && f->proxies[i]; i++)
                text_addf(text, "Requires=%s.socket\nAfter=%s.socket\nPropagatesStopTo=%s.service\n",
                          f->proxies[i], f->proxies[i], f->proxies[i]);
}

void further_service(const Further *f, const Manifest *m, Text *text) {
        /* Its sockets are there even if it is the service that is started: systemd.service(5), Sockets=. */
        if (f->socket)
                add_unit_name(text, m, "Sockets", "", ".socket");
}
