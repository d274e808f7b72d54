/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "common/network.h"

/* Each row: a word and what it becomes, or NULL and the beginning of the problem. */
typedef struct Pair {
        const char *word, *text, *problem;
} Pair;

static void check(const Pair *row, int r, const char *text, const char *problem) {
        if (row->text) {
                if (r < 0)
                        fail_msg("'%s': refused: %s", row->word, problem);
                assert_string_equal(text, row->text);
        } else {
                if (r != -EINVAL)
                        fail_msg("'%s': taken as '%s'", row->word, text);
                if (!startswith(problem, row->problem))
                        fail_msg("'%s': '%s' does not begin '%s'", row->word, problem, row->problem);
        }
}

static void addresses_have_one_spelling(void **state _unused_) {
        static const Pair rows[] = {
                { "192.0.2.1", "192.0.2.1", NULL },
                { "2001:DB8:0:0::1", "2001:db8::1", NULL },
                { "::1", "::1", NULL },
                { "", NULL, "is no address" },
                { "1.2.3", NULL, "is no address" },
                { "01.2.3.4", NULL, "is no address" },
                { "1.2.3.4 ", NULL, "is no address" },
                { "1.2.3.256", NULL, "is no address" },
                { "fe80::1%eth0", NULL, "is no address" },
                { "[::1]", NULL, "is no address" },
                { "::ffff:1.2.3.4", NULL, "is an IPv4 address written as IPv6" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[NET_TEXT_SIZE] = "";
                const char *problem = "";
                NetAddress a;
                int r = net_parse_address(rows[i].word, &a, &problem);

                if (r >= 0)
                        net_format_address(&a, text);
                check(&rows[i], r, text, problem);
        }
}

static void prefixes_have_no_bits_behind_their_length(void **state _unused_) {
        static const Pair rows[] = {
                { "10.0.0.0/8", "10.0.0.0/8", NULL },
                { "10.1.2.3", "10.1.2.3/32", NULL },
                { "0.0.0.0/0", "0.0.0.0/0", NULL },
                { "::/0", "::/0", NULL },
                { "2001:DB8::/32", "2001:db8::/32", NULL },
                { "2001:db8::1", "2001:db8::1/128", NULL },
                { "fe80::/10", "fe80::/10", NULL },
                { "10.1.2.3/8", NULL, "has bits set" },
                { "10.0.0.128/24", NULL, "has bits set" },
                { "10.0.0.128/25", "10.0.0.128/25", NULL },
                { "2001:db8::1/64", NULL, "has bits set" },
                { "10.0.0.0/33", NULL, "has no length from 0 to 32" },
                { "10.0.0.0/", NULL, "has no length" },
                { "10.0.0.0/08x", NULL, "has no length" },
                { "10.0.0.0/-1", NULL, "has no length" },
                { "::/129", NULL, "has no length from 0 to 128" },
                { "10.0.0.0/255.0.0.0", NULL, "has no length" },
                { "example.com", NULL, "is no address" },
                { "/8", NULL, "is no address" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[NET_TEXT_SIZE] = "";
                const char *problem = "";
                NetPrefix p;
                int r = net_parse_prefix(rows[i].word, &p, &problem);

                if (r >= 0)
                        net_format_prefix(&p, text);
                check(&rows[i], r, text, problem);
        }
}

static void published_ports_are_pairs_of_equal_ranges(void **state _unused_) {
        static const Pair rows[] = {
                { "80:80", "80:80", NULL },
                { "8080:80/tcp", "8080:80", NULL },
                { "53:53/udp", "53:53/udp", NULL },
                { "5000-5010:6000-6010/sctp", "5000-5010:6000-6010/sctp", NULL },
                { "7-7:8", "7:8", NULL },
                { "192.0.2.1:80:8080", "192.0.2.1:80:8080", NULL },
                { "127.0.0.1:80:80", "127.0.0.1:80:80", NULL },
                { "[2001:DB8::1]:80:80", "[2001:db8::1]:80:80", NULL },
                { "[::1]:80:80", "[::1]:80:80", NULL },
                { "1-65535:1-65535", "1-65535:1-65535", NULL },
                { "80", NULL, "names one port only" },
                { "", NULL, "names one port only" },
                { ":80", NULL, "has a port" },
                { "80:", NULL, "has a port" },
                { "0:80", NULL, "has a port" },
                { "80:65536", NULL, "has a port" },
                { "+80:80", NULL, "has a port" },
                { "80:80/icmp", NULL, "has an unknown protocol" },
                { "80:80/", NULL, "has an unknown protocol" },
                { "80:80/TCP", NULL, "has an unknown protocol" },
                { "80-81:80", NULL, "has two ranges of different length" },
                { "80:80-81", NULL, "has two ranges of different length" },
                { "81-80:81-80", NULL, "has a range that ends" },
                { "80-:80", NULL, "has a port" },
                { "2001:db8::1:80:80", NULL, "has an IPv6 address without brackets" },
                { "::1:80:80", NULL, "has an IPv6 address without brackets" },
                { "[::1:80:80", NULL, "has no ':' behind its address" },
                { "[::1]80:80", NULL, "has no ':' behind its address" },
                { "[::1]:80", NULL, "is not of the form" },
                { "localhost:80:80", NULL, "is no address" },
                { "127.0.0.1:53:53/udp", NULL, "publishes on a loopback address" },
                { "[::1]:53:53/udp", NULL, "publishes on a loopback address" },
                { "224.0.0.1:80:80", NULL, "has an address that no host can have" },
                { "0.0.0.0:80:80", NULL, "has an address that no host can have" },
                { "255.255.255.255:80:80", NULL, "has an address that no host can have" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[NET_TEXT_SIZE] = "";
                const char *problem = "";
                NetPublish p;
                int r = net_parse_publish(rows[i].word, &p, &problem);

                if (r >= 0)
                        net_format_publish(&p, text);
                check(&rows[i], r, text, problem);
        }
}

static void published_ports_that_meet_are_seen(void **state _unused_) {
        static const struct {
                const char *a, *b;
                bool overlap;
        } rows[] = {
                { "80:80", "80:81", true },
                { "80:80", "81:80", false },
                { "80:80", "80:80/udp", false },
                { "80-90:80-90", "90:1", true },
                { "80-89:80-89", "90:1", false },
                { "192.0.2.1:80:80", "80:80", true },
                { "192.0.2.1:80:80", "192.0.2.2:80:80", false },
                { "192.0.2.1:80:80", "[2001:db8::1]:80:80", false },
                { "1-65535:1-65535", "65535:1", true },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const char *problem;
                NetPublish a, b;

                assert_int_equal(net_parse_publish(rows[i].a, &a, &problem), 0);
                assert_int_equal(net_parse_publish(rows[i].b, &b, &problem), 0);
                ROW(i, rows[i].a, net_publish_overlap(&a, &b) == rows[i].overlap);
                ROW(i, rows[i].b, net_publish_overlap(&b, &a) == rows[i].overlap);
        }
}

static void endpoints_name_address_port_and_protocol(void **state _unused_) {
        static const Pair rows[] = {
                { "192.0.2.1:443/tcp", "192.0.2.1:443/tcp", NULL },
                { "[2001:DB8::1]:53/udp", "[2001:db8::1]:53/udp", NULL },
                { "192.0.2.1:443", NULL, "has no protocol" },
                { "192.0.2.1/tcp", NULL, "has no ':'" },
                { "2001:db8::1:53/udp", NULL, "has an IPv6 address without brackets" },
                { "192.0.2.1:0/tcp", NULL, "has a port" },
                { "192.0.2.1:1-2/tcp", NULL, "has a port" },
                { "192.0.2.0/24:1/tcp", NULL, "has an unknown protocol" },
                { "example.com:443/tcp", NULL, "is no address" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[NET_TEXT_SIZE] = "";
                const char *problem = "";
                NetEndpoint e;
                int r = net_parse_endpoint(rows[i].word, &e, &problem);

                if (r >= 0)
                        net_format_endpoint(&e, text);
                check(&rows[i], r, text, problem);
        }
}

static void domains_are_a_labels_two_at_least(void **state _unused_) {
#define LABEL63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"
        static const Pair rows[] = {
                { "example.com", "example.com", NULL },
                { "*.Example.COM", "*.example.com", NULL },
                { "xn--bcher-kva.example", "xn--bcher-kva.example", NULL },
                { LABEL63 ".com", LABEL63 ".com", NULL },
                { LABEL63 "4.com", NULL, "is no name" },
                { LABEL63 "." LABEL63 "." LABEL63 "." LABEL63, NULL, "is no name" },
                { "com", NULL, "has one label only" },
                { "*.com", NULL, "has one label only" },
                { "*", NULL, "has a '*' in it" },
                { "a.*.com", NULL, "has a '*' in it" },
                { "*a.com", NULL, "has a '*' in it" },
                { "*.*.com", NULL, "has a '*' in it" },
                { "b\xc3\xbc"
                  "cher.example",
                  NULL, "is not in ASCII" },
                { "example.com.", NULL, "ends in a dot" },
                { "", NULL, "is no name" },
                { ".com", NULL, "is no name" },
                { "a..com", NULL, "is no name" },
                { "-a.com", NULL, "is no name" },
                { "a-.com", NULL, "is no name" },
                { "a_b.com", NULL, "is no name" },
                { "https://example.com", NULL, "is no name" },
                { "example.com:443", NULL, "is no name" },
                { "192.0.2.1", NULL, "is an address" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[NET_DOMAIN_SIZE] = "";
                const char *problem = "";

                int r = net_parse_domain(rows[i].word, text, &problem);

                check(&rows[i], r, text, problem);
        }
}

static void lines_of_hosts_are_a_name_and_an_address(void **state _unused_) {
        static const Pair rows[] = {
                { "DB:192.0.2.1", "db 192.0.2.1", NULL },
                { "db.example:2001:db8::1", "db.example 2001:db8::1", NULL },
                { "db:[2001:db8::1]", "db 2001:db8::1", NULL },
                { "db", NULL, "is not of the form" },
                { "db:", NULL, "does not end in an address" },
                { "db:x", NULL, "does not end in an address" },
                { ":192.0.2.1", NULL, "does not begin with a name" },
                { "d b:192.0.2.1", NULL, "does not begin with a name" },
                { "db\n:192.0.2.1", NULL, "does not begin with a name" },
                { "db:192.0.2.1\nx", NULL, "does not end in an address" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char name[NET_DOMAIN_SIZE] = "", address[NET_TEXT_SIZE], text[2 * NET_DOMAIN_SIZE] = "";
                const char *problem = "";
                NetAddress a;
                int r = net_parse_host(rows[i].word, name, &a, &problem);

                if (r >= 0) {
                        net_format_address(&a, address);
                        snprintf(text, sizeof(text), "%s %s", name, address);
                }
                check(&rows[i], r, text, problem);
        }
}

static void loopback_and_host_addresses_are_told_apart(void **state _unused_) {
        static const struct {
                const char *word;
                bool loopback, host;
        } rows[] = {
                { "127.0.0.1", true, false },   { "127.255.0.1", true, false },
                { "::1", true, false },         { "192.0.2.1", false, true },
                { "2001:db8::1", false, true }, { "0.0.0.0", false, false },
                { "0.1.2.3", false, false },    { "::", false, false },
                { "224.0.0.1", false, false },  { "255.255.255.255", false, false },
                { "ff02::1", false, false },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const char *problem;
                NetAddress a;

                assert_int_equal(net_parse_address(rows[i].word, &a, &problem), 0);
                ROW(i, rows[i].word, net_address_is_loopback(&a) == rows[i].loopback);
                ROW(i, rows[i].word, net_address_is_host(&a) == rows[i].host);
        }
}

RUN(TEST(addresses_have_one_spelling), TEST(prefixes_have_no_bits_behind_their_length),
    TEST(published_ports_are_pairs_of_equal_ranges), TEST(published_ports_that_meet_are_seen),
    TEST(endpoints_name_address_port_and_protocol), TEST(domains_are_a_labels_two_at_least),
    TEST(lines_of_hosts_are_a_name_and_an_address), TEST(loopback_and_host_addresses_are_told_apart))
