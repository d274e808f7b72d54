/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/rules-network.h"

#include "common/network.h"
#include "common/strv.h"
#include "generator/rules.h"

#define NETWORK "Network"

/* What makes a policy custom. */
static const char *const lists[] = { "AllowDomain", "AllowCIDR", "DenyCIDR", "Allow", "Protocol" };

/* What is said of a network that is the container's own. */
static const char *const own[] = {
        "Publish", "Policy", "Default",   "AllowDomain", "AllowCIDR",   "DenyCIDR", "Allow", "Protocol",
        "DNS",     "Link",   "AllowHost", "Bandwidth",   "BandwidthUp", "Address",  "IPv6",
};

static bool given(const Store *s, const char *key) {
        return store_count(s, NETWORK, key) > 0;
}

static void complain(Manifest *m, const char *key, const char *text) {
        StoreValue v;

        if (store_get(m->store, NETWORK, key, 0, &v))
                diag_error(&m->diags, v.line, 1, "%s= %s", key, text);
}

static const char *first_list(const Store *s) {
        for (size_t i = 0; i < ARRAY_LEN(lists); i++)
                if (given(s, lists[i]))
                        return lists[i];
        return NULL;
}

const char *rules_policy(const Store *store) {
        const char *policy = store_text(store, NETWORK, "Policy");

        return policy ? policy : first_list(store) || given(store, "Default") ? "custom" : NULL;
}

const char *rules_default(const Store *store) {
        const char *said = store_text(store, NETWORK, "Default");

        if (said)
                return said;
        return given(store, "AllowDomain") || given(store, "AllowCIDR") || given(store, "Allow") ? "deny"
                                                                                                 : "allow";
}

/* A network that is not the container's own has neither ports to publish nor a policy. */
static bool check_mode(Manifest *m) {
        const char *mode = store_text(m->store, NETWORK, "Mode");
        bool good = true;

        if (!mode || streq(mode, "private"))
                return true;
        for (size_t i = 0; i < ARRAY_LEN(own); i++) {
                if (!given(m->store, own[i]))
                        continue;
                good = false;
                if (streq(mode, "host") && streq(own[i], "Publish"))
                        complain(m, own[i],
                                 "has no meaning with Mode=host: the container's ports are the host's; remove it (those below "
                                 "1024 need PrivateUsers=no)");
                else if (streq(mode, "host"))
                        complain(m, own[i],
                                 "has no meaning with Mode=host, where the network is the host's; remove it, or use Mode=private");
                else if (streq(mode, "none"))
                        complain(m, own[i],
                                 "has no meaning with Mode=none, where there is only loopback; remove it, or use Mode=private");
                else
                        complain(m, own[i],
                                 "has no meaning with Mode=join:, where the network is the other container's; set it there");
        }
        return good;
}

static void check_policy(Manifest *m) {
        const char *policy = store_text(m->store, NETWORK, "Policy"), *list = first_list(m->store);

        if (!policy)
                return;
        if (streq(policy, "custom")) {
                if (!list && !given(m->store, "Default"))
                        complain(m, "Policy",
                                 "is 'custom', but nothing says what is allowed; add AllowDomain=, AllowCIDR=, "
                                 "DenyCIDR=, Allow= or Default=");
                return;
        }
        for (size_t i = 0; i < ARRAY_LEN(lists); i++)
                if (given(m->store, lists[i]))
                        complain(m, lists[i],
                                 streq(policy, "deny-all")
                                                 ? "has no meaning with Policy=deny-all; remove one of them (a list without Policy= is a custom policy)"
                                                 : "has no meaning with Policy=allow-all; remove one of them (a list without Policy= is a custom policy)");
        if (given(m->store, "Default"))
                complain(m, "Default", "is of Policy=custom only; remove one of them");
}

/* Are all values of a key, whose words are addresses, at most one of each family? */
static int check_addresses(Manifest *m) {
        bool seen[2] = { false, false };
        StoreValue v;

        for (unsigned i = 0; store_get(m->store, NETWORK, "Address", i, &v); i++) {
                _cleanup_free_ char *copy = strdup(v.text);
                char *rest = copy, *word;

                if (!copy)
                        return -ENOMEM;
                while ((word = strsep(&rest, " "))) {
                        bool six = strchr(word, ':') != NULL;

                        if (seen[six])
                                diag_error(&m->diags, v.line, v.column,
                                           "Address=: '%s' is a second address of %s; give one",
                                           DIAG_CLIP(word), six ? "IPv6" : "IPv4");
                        seen[six] = true;
                }
        }
        return 0;
}

/* Without IPv6, what only IPv6 can have. */
static int check_ipv6(Manifest *m) {
        static const char *const keys[] = { "Publish", "AllowCIDR", "DenyCIDR", "Allow", "DNS", "Address" };
        const char *six = store_text(m->store, NETWORK, "IPv6");
        StoreValue v;

        if (!six || streq(six, "yes"))
                return 0;
        for (size_t k = 0; k < ARRAY_LEN(keys); k++)
                for (unsigned i = 0; store_get(m->store, NETWORK, keys[k], i, &v); i++) {
                        _cleanup_free_ char *copy = strdup(v.text);
                        char *rest = copy, *word;

                        if (!copy)
                                return -ENOMEM;
                        while ((word = strsep(&rest, " "))) {
                                const char *first = strchr(word, ':');
                                bool brackets = streq(keys[k], "Publish") || streq(keys[k], "Allow");

                                if (brackets ? word[0] != '[' : !first)
                                        continue;
                                diag_error(&m->diags, v.line, v.column,
                                           "%s=: '%s' is of IPv6, which IPv6=no switches off; remove one of them",
                                           keys[k], DIAG_CLIP(word));
                        }
                }
        return 0;
}

typedef struct Published {
        NetPublish port;
        unsigned line;
} Published;

/* Tells of a port that is published twice: the second would never be reached. Quadratic, of few. */
static int check_publish(Manifest *m) {
        _cleanup_free_ Published *all = NULL;
        size_t n = 0;
        StoreValue v;

        for (unsigned i = 0; store_get(m->store, NETWORK, "Publish", i, &v); i++) {
                _cleanup_free_ char *copy = strdup(v.text);
                char *rest = copy, *word;

                if (!copy)
                        return -ENOMEM;
                while ((word = strsep(&rest, " "))) {
                        const char *problem;
                        Published *grown;
                        NetPublish port;
                        size_t j = 0;

                        if (net_parse_publish(word, &port, &problem) < 0)
                                continue; /* it has a specifier: launch will see */
                        if (n >= RULES_PORTS_MAX) {
                                diag_error(&m->diags, v.line, v.column,
                                           "Publish=: more than %d ports or ranges; publish ranges",
                                           RULES_PORTS_MAX);
                                return 0;
                        }
                        while (j < n && !net_publish_overlap(&all[j].port, &port))
                                j++;
                        if (j < n)
                                diag_error(&m->diags, v.line, v.column,
                                           "Publish=: '%s' takes a port of the host that %s has taken; choose another",
                                           DIAG_CLIP(word), DIAG_PLACE(&m->diags, all[j].line, v.line));
                        grown = reallocarray(all, n + 1, sizeof(*all));
                        if (!grown)
                                return -ENOMEM;
                        all = grown;
                        all[n++] = (Published){ port, v.line };
                }
        }
        return 0;
}

int rules_check_network(Manifest *m) {
        int r;

        if (!check_mode(m))
                return 0;
        check_policy(m);
        r = check_addresses(m);
        if (r >= 0)
                r = check_ipv6(m);
        return r < 0 ? r : check_publish(m);
}
