/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/network.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "common/parse.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const char *const protocols[] = { [NET_TCP] = "tcp", [NET_UDP] = "udp", [NET_SCTP] = "sctp" };

static int problem(const char **ret, const char *text) {
        *ret = text;
        return -EINVAL;
}

int net_parse_address(const char *s, NetAddress *ret, const char **ret_problem) {
        NetAddress a = { .family = AF_INET };

        if (inet_pton(AF_INET, s, &a.in4) == 1) {
                *ret = a;
                return 0;
        }
        a.family = AF_INET6;
        if (inet_pton(AF_INET6, s, &a.in6) != 1)
                return problem(ret_problem,
                               "is no address; write IPv4 as 192.0.2.1 and IPv6 as 2001:db8::1");
        if (IN6_IS_ADDR_V4MAPPED(&a.in6))
                return problem(ret_problem, "is an IPv4 address written as IPv6; write it as IPv4");
        *ret = a;
        return 0;
}

void net_format_address(const NetAddress *a, char ret[static NET_TEXT_SIZE]) {
        if (!inet_ntop(a->family, a->family == AF_INET ? (const void *) &a->in4 : (const void *) &a->in6,
                       ret, NET_TEXT_SIZE))
                ret[0] = '\0';
}

static size_t address_size(const NetAddress *a) {
        return a->family == AF_INET ? sizeof(a->in4) : sizeof(a->in6);
}

static const uint8_t *address_bytes(const NetAddress *a) {
        return a->family == AF_INET ? (const uint8_t *) &a->in4 : a->in6.s6_addr;
}

static bool same_address(const NetAddress *a, const NetAddress *b) {
        return a->family == b->family && memcmp(address_bytes(a), address_bytes(b), address_size(a)) == 0;
}

bool net_address_is_loopback(const NetAddress *a) {
        return a->family == AF_INET ? ntohl(a->in4.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&a->in6) != 0;
}

bool net_address_is_host(const NetAddress *a) {
        uint32_t v;

        if (net_address_is_loopback(a))
                return false;
        if (a->family == AF_INET6)
                return !IN6_IS_ADDR_UNSPECIFIED(&a->in6) && !IN6_IS_ADDR_MULTICAST(&a->in6);
        v = ntohl(a->in4.s_addr);
        return v >> 24 != 0 && v >> 28 < 0xe; /* 224.0.0.0/4 is multicast, 240.0.0.0/4 nobody's, RFC 1112 */
}

int net_parse_prefix(const char *s, NetPrefix *ret, const char **ret_problem) {
        _cleanup_free_ char *copy = strdup(s);
        char *slash = copy ? strchr(copy, '/') : NULL;
        NetPrefix p;
        uint32_t length;
        int r;

        if (!copy)
                return problem(ret_problem, "cannot be looked at: out of memory");
        if (slash)
                *slash++ = '\0';
        r = net_parse_address(copy, &p.address, ret_problem);
        if (r < 0)
                return r;
        p.length = (unsigned) address_size(&p.address) * 8;
        if (slash) {
                if (parse_uint32(slash, &length) < 0 || length > p.length)
                        return problem(ret_problem,
                                       p.length == 32 ? "has no length from 0 to 32 behind the slash"
                                                      : "has no length from 0 to 128 behind the slash");
                for (unsigned bit = length; bit < p.length; bit++)
                        if (address_bytes(&p.address)[bit / 8] & (0x80 >> bit % 8))
                                return problem(ret_problem,
                                               "has bits set behind its length; write the network's own "
                                               "address, as 10.0.0.0/8 and not 10.1.2.3/8");
                p.length = length;
        }
        *ret = p;
        return 0;
}

void net_format_prefix(const NetPrefix *p, char ret[static NET_TEXT_SIZE]) {
        size_t n;

        net_format_address(&p->address, ret);
        n = strlen(ret);
        snprintf(ret + n, NET_TEXT_SIZE - n, "/%u", p->length);
}

int net_parse_port(const char *s, uint16_t *ret, const char **ret_problem) {
        uint32_t v;

        if (parse_uint32(s, &v) < 0 || v == 0 || v > UINT16_MAX)
                return problem(ret_problem, "is no port: expected a number from 1 to 65535");
        *ret = (uint16_t) v;
        return 0;
}

/* Cuts "/PROTO" off s. */
static int cut_protocol(char *s, bool optional, NetProtocol *ret, const char **ret_problem) {
        char *slash = strchr(s, '/');

        if (!slash && optional)
                return 0;
        for (size_t i = 0; slash && i < ARRAY_LEN(protocols); i++)
                if (streq(slash + 1, protocols[i])) {
                        *slash = '\0';
                        *ret = (NetProtocol) i;
                        return 0;
                }
        return problem(ret_problem, slash ? "has an unknown protocol: expected /tcp, /udp or /sctp"
                                          : "has no protocol; add /tcp, /udp or /sctp");
}

/* Cuts "ADDR:" off the beginning, where IPv6 stands in brackets. *ret_rest is what follows. */
static int cut_address(char *s, NetAddress *ret, char **ret_rest, const char **ret_problem) {
        char *end = s[0] == '[' ? strchr(s, ']') : strchr(s, ':');

        if (!end || (s[0] == '[' && end[1] != ':'))
                return problem(ret_problem, "has no ':' behind its address");
        *ret_rest = end + (s[0] == '[' ? 2 : 1);
        *end = '\0';
        return net_parse_address(s + (s[0] == '['), ret, ret_problem);
}

/* PORT or PORT-PORT. */
static int parse_ports(char *s, uint16_t *ret_first, uint32_t *ret_count, const char **ret_problem) {
        char *dash = strchr(s, '-');
        uint16_t first, last;

        if (dash)
                *dash++ = '\0';
        if (net_parse_port(s, &first, ret_problem) < 0 ||
            net_parse_port(dash ? dash : s, &last, ret_problem) < 0)
                return problem(ret_problem, "has a port that is no number from 1 to 65535");
        if (last < first)
                return problem(ret_problem, "has a range that ends before it begins");
        *ret_first = first;
        *ret_count = (uint32_t) last - first + 1;
        return 0;
}

int net_parse_publish(const char *s, NetPublish *ret, const char **ret_problem) {
        _cleanup_free_ char *copy = strdup(s);
        NetPublish p = { .any = true };
        char *rest = copy, *colon;
        uint32_t inside;
        int r;

        if (!copy)
                return problem(ret_problem, "cannot be looked at: out of memory");
        r = cut_protocol(copy, /* optional= */ true, &p.protocol, ret_problem);
        if (r < 0)
                return r;
        colon = strrchr(copy, ':');
        if (!colon)
                return problem(ret_problem,
                               "names one port only; write [ADDR:]HOST:CONTAINER, such as 8080:80");
        if (copy[0] != '[' && strchr(copy, ':') != colon && strchr(strchr(copy, ':') + 1, ':') != colon)
                return problem(ret_problem,
                               "has an IPv6 address without brackets; write [ADDR]:HOST:CONTAINER");
        if (copy[0] == '[' || strchr(copy, ':') != colon) {
                p.any = false;
                r = cut_address(copy, &p.address, &rest, ret_problem);
                if (r < 0)
                        return r;
                colon = strchr(rest, ':');
                if (!colon || strchr(colon + 1, ':'))
                        return problem(ret_problem, "is not of the form [ADDR:]HOST:CONTAINER");
        }
        *colon = '\0';
        r = parse_ports(rest, &p.host, &p.count, ret_problem);
        if (r >= 0)
                r = parse_ports(colon + 1, &p.container, &inside, ret_problem);
        if (r < 0)
                return r;
        if (p.count != inside)
                return problem(ret_problem, "has two ranges of different length");
        if (!p.any && net_address_is_loopback(&p.address) && p.protocol != NET_TCP)
                return problem(ret_problem,
                               "publishes on a loopback address, which goes through a proxy for tcp "
                               "only; use tcp, or another address");
        if (!p.any && !net_address_is_loopback(&p.address) && !net_address_is_host(&p.address))
                return problem(ret_problem,
                               "has an address that no host can have; leave it out for every local one");
        *ret = p;
        return 0;
}

static void add_ports(char *text, uint16_t first, uint32_t count) {
        size_t n = strlen(text);

        if (count == 1)
                snprintf(text + n, NET_TEXT_SIZE - n, "%u", first);
        else
                snprintf(text + n, NET_TEXT_SIZE - n, "%u-%u", first, first + count - 1);
}

/* "ADDR:", in brackets where it has colons itself. */
static void begin_with_address(char ret[static NET_TEXT_SIZE], const NetAddress *a) {
        char text[NET_TEXT_SIZE];

        net_format_address(a, text);
        snprintf(ret, NET_TEXT_SIZE, a->family == AF_INET6 ? "[%.80s]:" : "%.80s:", text);
}

static void add(char *text, const char *more) {
        size_t n = strlen(text);

        snprintf(text + n, NET_TEXT_SIZE - n, "%s", more);
}

void net_format_publish(const NetPublish *p, char ret[static NET_TEXT_SIZE]) {
        ret[0] = '\0';
        if (!p->any)
                begin_with_address(ret, &p->address);
        add_ports(ret, p->host, p->count);
        add(ret, ":");
        add_ports(ret, p->container, p->count);
        if (p->protocol != NET_TCP) {
                add(ret, "/");
                add(ret, protocols[p->protocol]);
        }
}

bool net_publish_overlap(const NetPublish *a, const NetPublish *b) {
        if (a->protocol != b->protocol || (!a->any && !b->any && !same_address(&a->address, &b->address)))
                return false;
        return a->host < b->host + b->count && b->host < a->host + a->count;
}

int net_parse_endpoint(const char *s, NetEndpoint *ret, const char **ret_problem) {
        _cleanup_free_ char *copy = strdup(s);
        NetEndpoint e = { 0 };
        char *rest;
        int r;

        if (!copy)
                return problem(ret_problem, "cannot be looked at: out of memory");
        r = cut_protocol(copy, /* optional= */ false, &e.protocol, ret_problem);
        if (r < 0)
                return r;
        if (copy[0] != '[' && strchr(copy, ':') != strrchr(copy, ':'))
                return problem(ret_problem, "has an IPv6 address without brackets; write [ADDR]:PORT/PROTO");
        r = cut_address(copy, &e.address, &rest, ret_problem);
        if (r < 0)
                return r;
        r = net_parse_port(rest, &e.port, ret_problem);
        if (r < 0)
                return problem(ret_problem, "has a port that is no number from 1 to 65535");
        *ret = e;
        return 0;
}

void net_format_endpoint(const NetEndpoint *e, char ret[static NET_TEXT_SIZE]) {
        begin_with_address(ret, &e->address);
        add_ports(ret, e->port, 1);
        add(ret, "/");
        add(ret, protocols[e->protocol]);
}

static char lower(char c) {
        return (char) (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* RFC 1123, 2.1: labels of letters, digits and '-', at most 63 each. Returns how many, 0 if it is no name. */
static unsigned count_labels(const char *s) {
        unsigned labels = 0;

        for (;;) {
                size_t n = strspn(s, LOWER UPPER "0123456789-");

                if (n == 0 || n > 63 || s[0] == '-' || s[n - 1] == '-')
                        return 0;
                labels++;
                if (s[n] == '\0')
                        return labels;
                if (s[n] != '.')
                        return 0;
                s += n + 1;
        }
}

static bool holds_non_ascii(const char *s) {
        for (; *s; s++)
                if ((unsigned char) *s >= 0x80)
                        return true;
        return false;
}

int net_parse_domain(const char *s, char ret[static NET_DOMAIN_SIZE], const char **ret_problem) {
        const char *name = startswith(s, "*."), *last;
        unsigned labels;
        size_t i;

        name = name ? name : s;
        labels = strlen(name) <= 253 ? count_labels(name) : 0;
        if (holds_non_ascii(s))
                return problem(ret_problem, "is not in ASCII; write its A-labels, xn--...");
        if (strchr(name, '*'))
                return problem(ret_problem,
                               "has a '*' in it; only a whole first label can be one: *.example.com");
        if (s[0] != '\0' && s[strlen(s) - 1] == '.')
                return problem(ret_problem, "ends in a dot; leave it out");
        if (labels == 0)
                return problem(ret_problem,
                               "is no name of a host: labels of letters, digits and '-', dots between");
        if (labels < 2)
                return problem(ret_problem, "has one label only; two are the least: example.com");
        last = strrchr(name, '.') + 1;
        if (strspn(last, "0123456789") == strlen(last))
                return problem(ret_problem,
                               "is an address or ends in a number; for addresses use AllowCIDR=");
        for (i = 0; s[i] != '\0'; i++)
                ret[i] = lower(s[i]);
        ret[i] = '\0';
        return 0;
}

int net_parse_host(const char *s, char ret_name[static NET_DOMAIN_SIZE], NetAddress *ret,
                   const char **ret_problem) {
        size_t n = strcspn(s, ":"), m;
        _cleanup_free_ char *name = strndup(s, n), *address = s[n] ? strdup(s + n + 1) : NULL;
        char *text = address;
        int r;

        if (s[n] != ':')
                return problem(ret_problem, "is not of the form NAME:ADDRESS");
        if (!name || !address)
                return problem(ret_problem, "cannot be looked at: out of memory");
        if (n > 253 || count_labels(name) == 0)
                return problem(ret_problem, "does not begin with a name of letters, digits, '-' and '.'");
        m = strlen(text);
        if (m > 2 && text[0] == '[' && text[m - 1] == ']') {
                text[m - 1] = '\0';
                text++;
        }
        r = net_parse_address(text, ret, ret_problem);
        if (r < 0)
                return problem(ret_problem,
                               "does not end in an address; write NAME:192.0.2.1 or NAME:2001:db8::1");
        for (size_t i = 0; i <= n; i++)
                ret_name[i] = lower(name[i]);
        return 0;
}
