/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/proxies.h"

#include <stdio.h>

#include "common/network.h"

void proxies_done(Proxies *p) {
        for (size_t i = 0; i < p->n; i++)
                free(p->list[i].listen);
        free(p->list);
        *p = (Proxies){ 0 };
}

static bool parse(const char *word, NetPublish *ret) {
        const char *problem;

        return net_parse_publish(word, ret, &problem) >= 0 && !ret->any &&
               net_address_is_loopback(&ret->address);
}

bool proxies_has(const char *word) {
        NetPublish publish;

        return parse(word, &publish);
}

/* "127.0.0.1:80 [::1]:80" and one more. */
static int add_listen(char **listen, const NetAddress *address, unsigned port) {
        bool six = address->family == AF_INET6;
        char text[NET_TEXT_SIZE], *grown;

        net_format_address(address, text);
        if (asprintf(&grown, "%s%s%s%s%s:%u", *listen ? *listen : "", *listen ? " " : "", six ? "[" : "",
                     text, six ? "]" : "", port) < 0)
                return -ENOMEM;
        free(*listen);
        *listen = grown;
        return 0;
}

static int add_port(Manifest *m, Proxies *p, const NetAddress *address, uint16_t host, uint16_t container,
                    const StoreValue *at) {
        size_t i = 0;

        while (i < p->n && p->list[i].host != host)
                i++;
        if (i == p->n) {
                Proxy *grown = reallocarray(p->list, p->n + 1, sizeof(Proxy));

                if (!grown)
                        return -ENOMEM;
                p->list = grown;
                p->list[p->n++] = (Proxy){ host, container, NULL, at->line, at->column };
        } else if (p->list[i].container != container) {
                diag_error(&m->diags, at->line, at->column,
                           "Publish=: port %u of loopback leads to port %u by %s already, and can lead to one only",
                           host, p->list[i].container, DIAG_PLACE(&m->diags, p->list[i].line, at->line));
                return 0;
        }
        return add_listen(&p->list[i].listen, address, host);
}

static int add_word(Manifest *m, Proxies *p, const char *word, const StoreValue *at) {
        NetPublish publish;
        int r = 0;

        if (!parse(word, &publish))
                return 0;
        if (p->n + publish.count > PROXIES_MAX) {
                diag_error(&m->diags, at->line, at->column,
                           "Publish=: more than %d ports of loopback addresses, each of which is a unit; publish fewer",
                           PROXIES_MAX);
                return 0;
        }
        for (uint32_t i = 0; r >= 0 && i < publish.count; i++)
                r = add_port(m, p, &publish.address, (uint16_t) (publish.host + i),
                             (uint16_t) (publish.container + i), at);
        return r;
}

static int compare(const void *a, const void *b) {
        const Proxy *x = a, *y = b;

        return x->host < y->host ? -1 : x->host > y->host;
}

int proxies_collect(Manifest *m, Proxies *ret) {
        _cleanup_(proxies_done) Proxies proxies = { 0 };
        StoreValue v;

        for (unsigned i = 0; store_get(m->store, "Network", "Publish", i, &v); i++) {
                _cleanup_free_ char *copy = strdup(v.text);
                char *rest = copy, *word;

                if (!copy)
                        return -ENOMEM;
                while ((word = strsep(&rest, " "))) {
                        int r = add_word(m, &proxies, word, &v);

                        if (r < 0)
                                return r;
                }
        }
        if (proxies.n > 1)
                qsort(proxies.list, proxies.n, sizeof(Proxy), compare);
        *ret = proxies;
        proxies = (Proxies){ 0 };
        return 0;
}
