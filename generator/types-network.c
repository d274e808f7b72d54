/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/types-network.h"

#include <stdio.h>

#include "common/names.h"
#include "common/network.h"
#include "common/parse.h"
#include "generator/diag.h"
#include "generator/types-words.h"

static int word_publish(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        NetPublish p;
        int r = net_parse_publish(word, &p, ret_problem);

        if (r >= 0)
                net_format_publish(&p, ret);
        return r;
}

static int parse_publish(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_publish, ret, reterr);
}

static int word_domain(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        return net_parse_domain(word, ret, ret_problem);
}

static int parse_domains(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_domain, ret, reterr);
}

static int word_prefix(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        NetPrefix p;
        int r = net_parse_prefix(word, &p, ret_problem);

        if (r >= 0)
                net_format_prefix(&p, ret);
        return r;
}

static int parse_prefixes(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_prefix, ret, reterr);
}

static int word_endpoint(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        NetEndpoint e;
        int r = net_parse_endpoint(word, &e, ret_problem);

        if (r >= 0)
                net_format_endpoint(&e, ret);
        return r;
}

static int parse_endpoints(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_endpoint, ret, reterr);
}

static int word_protocol(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        if (!streq(word, "tcp") && !streq(word, "udp") && !streq(word, "icmp"))
                return type_problem(ret_problem,
                                    "is no protocol that can be chosen: expected tcp, udp or icmp");
        return type_same(word, ret, ret_problem);
}

static int parse_protocols(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_protocol, ret, reterr);
}

static int word_resolver(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        NetAddress a;
        int r = net_parse_address(word, &a, ret_problem);

        if (r < 0)
                return r;
        if (net_address_is_loopback(&a))
                return type_problem(ret_problem,
                                    "is a loopback address, behind which the container has no resolver; "
                                    "name the resolver's real address");
        if (!net_address_is_host(&a))
                return type_problem(ret_problem, "is an address that no host can have");
        net_format_address(&a, ret);
        return 0;
}

static int parse_resolvers(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_resolver, ret, reterr);
}

static int word_address(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        NetAddress a;
        int r = net_parse_address(word, &a, ret_problem);

        if (r < 0)
                return r;
        if (!net_address_is_host(&a))
                return type_problem(ret_problem, "is an address that no host can have");
        net_format_address(&a, ret);
        return 0;
}

static int parse_addresses(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_address, ret, reterr);
}

static int word_port(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        uint16_t port;
        int r = net_parse_port(word, &port, ret_problem);

        if (r >= 0)
                snprintf(ret, TYPE_WORD_SIZE, "%u", port);
        return r;
}

static int parse_ports(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_port, ret, reterr);
}

/* Is the beginning of word, n bytes, a container's name? */
static bool names_container(const char *word, size_t n) {
        char name[NAME_LENGTH_MAX + 1];

        if (n >= sizeof(name))
                return false;
        memcpy(name, word, n);
        name[n] = '\0';
        return name_valid(name, /* template_ok= */ false);
}

static int word_link(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        size_t n = strcspn(word, ":");
        const char *problem;
        uint16_t port;

        if (!names_container(word, n))
                return type_problem(ret_problem,
                                    "does not begin with a container's name; write OTHER or OTHER:PORT");
        if (word[n] == ':' && net_parse_port(word + n + 1, &port, &problem) < 0)
                return type_problem(ret_problem, "has no port from 1 to 65535 behind the ':'");
        return type_same(word, ret, ret_problem);
}

static int parse_links(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_link, ret, reterr);
}

static int word_mode(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        const char *other = startswith(word, "join:");

        if (!other || !names_container(other, strlen(other)))
                return type_problem(ret_problem, "does not end in a container's name; write join:OTHER");
        return type_same(word, ret, ret_problem);
}

static int parse_network_mode(const char *value, char **ret, char **reterr) {
        static const char *const words[] = { "private", "none", "host", NULL };

        return startswith(value, "join:") ? type_map_word(value, word_mode, ret, reterr)
                                          : type_one_of(value, words, ret);
}

static int parse_policy(const char *value, char **ret, char **reterr _unused_) {
        static const char *const words[] = { "allow-all", "deny-all", "custom", NULL };

        return type_one_of(value, words, ret);
}

static int parse_default(const char *value, char **ret, char **reterr _unused_) {
        static const char *const words[] = { "allow", "deny", NULL };

        return type_one_of(value, words, ret);
}

static int parse_type_rate(const char *value, char **ret, char **reterr _unused_) {
        uint64_t v;

        return parse_rate(value, &v) < 0 || v == 0 || v > (uint64_t) INT64_MAX ? -EINVAL
                                                                               : type_keep_number(v, ret);
}

static int word_host(const char *word, char ret[static TYPE_WORD_SIZE], const char **ret_problem) {
        char name[NET_DOMAIN_SIZE], text[NET_TEXT_SIZE];
        NetAddress a;
        int r = net_parse_host(word, name, &a, ret_problem);

        if (r < 0)
                return r;
        net_format_address(&a, text);
        snprintf(ret, TYPE_WORD_SIZE, "%s:%s", name, text);
        return 0;
}

static int parse_host(const char *value, char **ret, char **reterr) {
        return type_map_words(value, word_host, ret, reterr);
}

/* clang-format off */
const Type type_network_mode = { "private, none, host or join:OTHER", parse_network_mode };
const Type type_publish = { "[ADDR:]HOST:CONTAINER[/tcp|udp|sctp], such as 8080:80", parse_publish };
const Type type_policy = { "allow-all, deny-all or custom", parse_policy };
const Type type_default = { "allow or deny", parse_default };
const Type type_domains = { "names such as example.com or *.example.com", parse_domains };
const Type type_prefixes = { "networks such as 10.0.0.0/8 or 2001:db8::/32", parse_prefixes };
const Type type_endpoints = { "ADDR:PORT/PROTO, such as 192.0.2.1:443/tcp", parse_endpoints };
const Type type_protocols = { "tcp, udp and icmp", parse_protocols };
const Type type_resolvers = { "addresses of resolvers", parse_resolvers };
const Type type_links = { "OTHER or OTHER:PORT", parse_links };
const Type type_ports = { "ports from 1 to 65535", parse_ports };
const Type type_rate = { "bits a second above 0, or with K, M or G (of 1000)", parse_type_rate };
const Type type_addresses = { "an address", parse_addresses };
const Type type_host = { "NAME:ADDRESS, such as db:192.0.2.1", parse_host };
/* clang-format on */
