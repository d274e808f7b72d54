/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <netinet/in.h>

#include "common/base.h"

/* Words of the network: addresses, prefixes, ports, names, rates. Strict, and of one spelling each, since the two
 * programs compare them as text. All parsers return 0, or -EINVAL with *ret_problem set to the rest of a sentence that
 * begins with the word ("is no address: ..."); *ret is untouched then. */

typedef struct NetAddress {
        int family; /* AF_INET or AF_INET6 */
        union {
                struct in_addr in4;
                struct in6_addr in6;
        };
} NetAddress;

typedef struct NetPrefix { /* the bits behind length are zero */
        NetAddress address;
        unsigned length;
} NetPrefix;

typedef enum NetProtocol { NET_TCP, NET_UDP, NET_SCTP } NetProtocol;

typedef struct NetPublish { /* Publish=[ADDR:]HOST[-HOST]:CONTAINER[-CONTAINER][/PROTO] */
        bool any;           /* every local address */
        NetAddress address;
        uint16_t host, container; /* the first of count each */
        uint32_t count;
        NetProtocol protocol;
} NetPublish;

typedef struct NetEndpoint { /* Allow=ADDR:PORT/PROTO */
        NetAddress address;
        uint16_t port;
        NetProtocol protocol;
} NetEndpoint;

#define NET_TEXT_SIZE 96

int net_parse_address(const char *s, NetAddress *ret, const char **ret_problem);
void net_format_address(const NetAddress *a, char ret[static NET_TEXT_SIZE]);
bool net_address_is_loopback(const NetAddress *a);

/* One that a host can have: not unspecified, multicast, broadcast or loopback. */
bool net_address_is_host(const NetAddress *a);

/* ADDR or ADDR/LENGTH. */
int net_parse_prefix(const char *s, NetPrefix *ret, const char **ret_problem);
void net_format_prefix(const NetPrefix *p, char ret[static NET_TEXT_SIZE]);

/* 1 to 65535. */
int net_parse_port(const char *s, uint16_t *ret, const char **ret_problem);

int net_parse_publish(const char *s, NetPublish *ret, const char **ret_problem);
void net_format_publish(const NetPublish *p, char ret[static NET_TEXT_SIZE]);

/* Do the two claim a port of the host? */
bool net_publish_overlap(const NetPublish *a, const NetPublish *b);

int net_parse_endpoint(const char *s, NetEndpoint *ret, const char **ret_problem);
void net_format_endpoint(const NetEndpoint *e, char ret[static NET_TEXT_SIZE]);

/* "example.com" or "*.example.com": A-labels, two at least, in *ret in lower case. */
#define NET_DOMAIN_SIZE 256
int net_parse_domain(const char *s, char ret[static NET_DOMAIN_SIZE], const char **ret_problem);

/* NAME:ADDRESS of hosts(5); the address may stand in brackets. The name goes to ret_name in lower case. */
int net_parse_host(const char *s, char ret_name[static NET_DOMAIN_SIZE], NetAddress *ret,
                   const char **ret_problem);
