/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/types.h"

/* The types of [Network]: what is on the wire. Where not said otherwise a value is words, kept one blank between; a
 * word with a specifier in it is kept as written and looked at again when the container starts. */

extern const Type type_network_mode; /* private, none, host, join:OTHER; one */
extern const Type type_publish;      /* [ADDR:]HOST[-HOST]:CONTAINER[-CONTAINER][/PROTO] */
extern const Type type_policy;       /* allow-all, deny-all, custom; one */
extern const Type type_default;      /* allow, deny; one */
extern const Type type_domains;      /* NAME, *.NAME */
extern const Type type_prefixes;     /* ADDR[/LENGTH], the canonical form with a length */
extern const Type type_endpoints;    /* ADDR:PORT/PROTO */
extern const Type type_protocols;    /* tcp, udp, icmp */
extern const Type type_resolvers;    /* addresses, none of loopback */
extern const Type type_links;        /* OTHER[:PORT] */
extern const Type type_ports;        /* 1 to 65535 */
extern const Type type_rate;         /* bits a second; one */
extern const Type type_addresses;    /* addresses that a host can have */
extern const Type type_host;         /* NAME:ADDRESS */
