/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/rules.h"

#include "common/capability.h"
#include "common/strv.h"
#include "common/sysctl.h"
#include "generator/directives.h"
#include "generator/rules-network.h"

static bool given(const Manifest *m, const char *section, const char *key) {
        return store_count(m->store, section, key) > 0;
}

/* Is the key that value? */
static bool is(const Manifest *m, const char *section, const char *key, const char *value) {
        const char *text = store_text(m->store, section, key);

        return text && streq(text, value);
}

/* Two keys of which one at most may stand; the second is told. */
static void exclude(Manifest *m, const char *section, const char *a, const char *b, const char *why) {
        StoreValue first, second;

        if (store_get(m->store, section, a, 0, &first) && store_get(m->store, section, b, 0, &second))
                diag_error(&m->diags, second.line, 1, "%s= and %s= on %s exclude each other: %s", b, a,
                           DIAG_PLACE(&m->diags, first.line, second.line), why);
}

/* A key that has no meaning here. */
static void refuse(Manifest *m, const char *section, const char *key, const char *why) {
        StoreValue v;

        if (store_get(m->store, section, key, 0, &v))
                diag_error(&m->diags, v.line, 1, "%s= %s", key, why);
}

/* Is root inside the host's? */
static bool has_host_root(const Manifest *m) {
        const char *users = store_text(m->store, "Container", "PrivateUsers");

        return users && (streq(users, "no") || streq(users, "identity") || startswith(users, "0:"));
}

static void check_root(Manifest *m) {
        /* A key that was given a wrong value is not a key that is missing: it counts 0. */
        if (store_count(m->store, "Container", "Image") == -ENOENT &&
            store_count(m->store, "Container", "Profile") == -ENOENT)
                diag_error(&m->diags, 0, 0,
                           "there is no Image= in [Container]; add the id of an image, or an absolute "
                           "path to one");
        exclude(m, "Container", "Image", "Profile",
                "the root is made from an image or from the host; remove one of them");
        if (given(m, "Container", "Image")) {
                refuse(m, "Container", "ReadPath",
                       "is of Profile= only; use a [Mount NAME] with Type=bind and ReadOnly=yes");
                refuse(m, "Container", "WritePath",
                       "is of Profile= only; use a [Mount NAME] with Type=bind");
        }
        if (is(m, "Container", "Profile", "full") && has_host_root(m))
                diag_error(&m->diags, store_place(m->store, "Container", "Profile"), 1,
                           "Profile=full needs user ids of its own: root would read all that the host's root does; use "
                           "PrivateUsers=pick");
        if (given(m, "Container", "Profile") && is(m, "Container", "Ephemeral", "no"))
                refuse(m, "Container", "Ephemeral",
                       "keeps a layer over an image, and Profile= has none; remove it");
        if (given(m, "Container", "Profile"))
                refuse(m, "Limits", "Disk",
                       "limits a layer over an image, and Profile= has none; remove it");
        if (given(m, "Container", "Profile") && given(m, "Setup", "Exec"))
                refuse(m, "Setup", "Exec",
                       "of [Setup] makes a layer over an image, and Profile= has none; use Image=");
        if (given(m, "Setup", "Exec") && !given(m, "Container", "Profile") &&
            !is(m, "Container", "Ephemeral", "no"))
                refuse(m, "Setup", "Exec",
                       "of [Setup] makes a layer that is kept; set Ephemeral=no in [Container]");
        if (!given(m, "Setup", "Exec") && store_count(m->store, "Setup", "Exec") != 0)
                refuse(m, "Setup", "Network", "of [Setup] has no meaning without Exec= there; add it");
}

static void check_notify(Manifest *m) {
        const char *users = store_text(m->store, "Container", "PrivateUsers");
        StoreValue v;

        if (!store_get(m->store, "Container", "Notify", 0, &v))
                return;
        if (streq(v.text, "yes") && is(m, "Container", "Init", "no") && has_host_root(m))
                diag_error(&m->diags, v.line, v.column,
                           "Notify=yes with Init=no and PrivateUsers=%s would let the container's root speak to "
                           "systemd as the host's; leave one of the three out",
                           DIAG_CLIP(users));
        if (streq(v.text, "healthy") && store_count(m->store, "Health", "Exec") == -ENOENT)
                diag_error(&m->diags, v.line, v.column,
                           "Notify=healthy waits for a health check, but there is none; add Exec= in [Health]");
        if (!streq(v.text, "no") && manifest_oneshot(m))
                diag_error(&m->diags, v.line, v.column,
                           "Notify=%s has no meaning with Type=oneshot, which is ready when it has ended; remove one "
                           "of them",
                           v.text);
}

/* Collects the capabilities of a key; each number's line goes to lines. */
static int collect_capabilities(const Manifest *m, const char *key, uint64_t *ret,
                                unsigned lines[static 64]) {
        uint64_t set = 0;
        StoreValue v;

        for (unsigned i = 0; store_get(m->store, "Container", key, i, &v); i++) {
                _cleanup_free_ char *copy = strdup(v.text);
                char *rest = copy, *word;

                if (!copy)
                        return -ENOMEM;
                while ((word = strsep(&rest, " "))) {
                        unsigned number;

                        if (streq(word, "all"))
                                set |= capability_default_set();
                        else if (capability_parse(word, &number) >= 0) {
                                set |= UINT64_C(1) << number;
                                lines[number] = v.line;
                        }
                }
        }
        *ret = set;
        return 0;
}

static int check_capabilities(Manifest *m) {
        unsigned added_lines[64] = { 0 }, dropped_lines[64] = { 0 }, ambient_lines[64] = { 0 };
        uint64_t added, dropped, ambient, all;
        int r;

        r = collect_capabilities(m, "Capability", &added, added_lines);
        if (r >= 0)
                r = collect_capabilities(m, "DropCapability", &dropped, dropped_lines);
        if (r >= 0)
                r = collect_capabilities(m, "AmbientCapability", &ambient, ambient_lines);
        if (r < 0)
                return r;
        all = (capability_default_set() & ~dropped) | added;
        for (unsigned i = 0; i < 64; i++) {
                uint64_t bit = UINT64_C(1) << i;

                if ((added & bit) && dropped_lines[i] > 0)
                        diag_error(&m->diags, dropped_lines[i], 1,
                                   "DropCapability=: %s stands in Capability= on %s; remove one of them",
                                   capability_name(i),
                                   DIAG_PLACE(&m->diags, added_lines[i], dropped_lines[i]));
                if ((ambient & bit) && !(all & bit))
                        diag_error(&m->diags, ambient_lines[i], 1,
                                   "AmbientCapability=: the container does not have %s; add it to Capability=",
                                   capability_name(i));
        }
        return 0;
}

/* A sysctl of a namespace that the container shares with the host is the host's. */
static void check_sysctls(Manifest *m) {
        const char *mode = store_text(m->store, "Network", "Mode");
        StoreValue v;

        for (unsigned i = 0; store_get(m->store, "Container", "Sysctl", i, &v); i++) {
                bool network = startswith(v.text, "net.") != NULL;

                if (network && mode && (streq(mode, "host") || startswith(mode, "join:")))
                        diag_error(&m->diags, v.line, v.column,
                                   "Sysctl=: '%s' would change %s network; remove it, or use Mode=private",
                                   DIAG_CLIP(v.text),
                                   streq(mode, "host") ? "the host's" : "the other container's");
                if (!network && is(m, "Container", "IpcNamespace", "host"))
                        diag_error(&m->diags, v.line, v.column,
                                   "Sysctl=: '%s' would change the host's; remove it, or use IpcNamespace=private",
                                   DIAG_CLIP(v.text));
        }
}

static void check_sharing(Manifest *m) {
        bool host_root = has_host_root(m);

        if (host_root && is(m, "Container", "SharedRun", "yes"))
                refuse(m, "Container", "SharedRun",
                       "needs user ids of its own: with PrivateUsers=no or identity the container's root is the host's, "
                       "and could write to all of /run; use PrivateUsers=pick");
        if (host_root && is(m, "Container", "PidNamespace", "host"))
                refuse(m, "Container", "PidNamespace",
                       "is 'host', which needs user ids of its own: with PrivateUsers=no or identity the container's "
                       "root is the host's, and could end all of the host's processes; use PrivateUsers=pick");
        if (is(m, "Container", "IpcNamespace", "host"))
                refuse(m, "Container", "ShmSize",
                       "has no meaning with IpcNamespace=host, where /dev/shm is the host's; remove it");
}

/* Refuses a directive of [Service] that sets what a key of ours has set already. */
static void exclude_directive(Manifest *m, const char *section, const char *key, const char *directive) {
        StoreValue limit, other;

        if (store_get(m->store, section, key, 0, &limit) &&
            manifest_directive(m, "Service", directive, &other) >= 0)
                diag_error(&m->diags, other.line, 1,
                           "%s= and %s= of [%s] on %s set the same limit; remove one of them", directive,
                           key, section, DIAG_PLACE(&m->diags, limit.line, other.line));
}

static void check_limits(Manifest *m) {
        /* Those that become something else than their own text. */
        static const struct {
                const char *section, *key, *directive;
        } pairs[] = {
                { "Limits", "CPUs", "CPUQuota" },
                { "Limits", "Memory", "MemoryMax" },
                { "Limits", "Memory", "MemoryLimit" },
                { "Limits", "Swap", "MemorySwapMax" },
                { "Limits", "Memory", "MemorySwapMax" },
                { "Container", "StopTimeout", "TimeoutStopSec" },
                { "Container", "StopTimeout", "TimeoutSec" },
                { "Container", "ReloadSignal", "ReloadSignal" },
        };
        const Directive *directive;
        StoreValue limit, other;

        for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
                exclude_directive(m, pairs[i].section, pairs[i].key, pairs[i].directive);
        exclude_directive(m, "Limits", "Runtime", manifest_oneshot(m) ? "TimeoutStartSec" : "RuntimeMaxSec");
        for (size_t i = 0; (directive = directive_at(i)); i++)
                if (!directive->beside)
                        exclude_directive(m, directive->section, directive->key, directive->name);
        if (store_get(m->store, "Limits", "OpenFiles", 0, &limit) &&
            store_get(m->store, "Container", "LimitNOFILE", 0, &other))
                diag_error(&m->diags, other.line, 1,
                           "LimitNOFILE= and OpenFiles= of [Limits] on %s set the same limit; remove one of them",
                           DIAG_PLACE(&m->diags, limit.line, other.line));
}

int rules_check(Manifest *m) {
        int r;

        check_root(m);
        check_notify(m);
        exclude(m, "Container", "SystemCallFilter", "SeccompProfile",
                "each is the whole filter; remove one of them");
        exclude(m, "Container", "ReloadSignal", "ReloadExec",
                "a reload is one or the other; remove one of them");
        check_sharing(m);
        check_sysctls(m);
        check_limits(m);
        r = check_capabilities(m);
        return r < 0 ? r : rules_check_network(m);
}
