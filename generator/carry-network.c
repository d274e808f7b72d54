/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Network=, PublishPort=, pods and .network: to [Network], and to the dependencies that a pod makes. */

#include <stdio.h>

#include "common/strv.h"
#include "generator/carry.h"

#define DIGITS "0123456789"

/* The units that [Unit] of the container comes after or needs, by one of their names? */
static bool depends_on(const Quadlet *q, const Quadlet *other) {
        static const char *const keys[] = { "After", "Requires", "Wants", "BindsTo", "Requisite" };
        char service[512];

        snprintf(service, sizeof(service), "%s.service", other->stem);
        for (size_t i = 0; i < q->n; i++)
                for (size_t j = 0; streq(q->list[i].section, "Unit") && j < ARRAY_LEN(keys); j++) {
                        const char *names[] = { other->file, service };

                        for (size_t k = 0; streq(q->list[i].key, keys[j]) && k < ARRAY_LEN(names); k++)
                                for (const char *at = q->list[i].value; (at = strstr(at, names[k])); at++)
                                        if ((at == q->list[i].value || strchr(" \t", at[-1])) &&
                                            strchr(" \t", at[strlen(names[k])]))
                                                return true;
                }
        return false;
}

/* Has a container Network=NAME, options or not? */
static bool on_network(const Quadlet *q, const char *network) {
        size_t n = strlen(network);

        for (size_t i = 0; q->kind == QUADLET_CONTAINER && i < q->n; i++)
                if (streq(q->list[i].section, "Container") && streq(q->list[i].key, "Network") &&
                    strncmp(q->list[i].value, network, n) == 0 && strchr(":", q->list[i].value[n]))
                        return true;
        return false;
}

/* On one network of podman's, containers reach each other by name. Here one says whom it calls: what it depends on is
 * what it calls; of the others it is told. */
static void put_links(Carry *c, const QuadletSetting *s, const char *network) {
        _cleanup_text_ Text others = { 0 };

        for (size_t i = 0; i < c->all->n; i++) {
                const Quadlet *q = c->all->list[i];

                if (q == c->q || q->name[0] == '\0' || !on_network(q, network))
                        continue;
                if (depends_on(c->q, q) && !strchr(q->name, '@'))
                        carry_put(c, s, CARRY_NETWORK, "Link", q->name);
                else if (!depends_on(q, c->q))
                        text_addf(&others, "%s%s", others.size > 0 ? ", " : "", q->name);
        }
        if (others.failed)
                c->failed = true;
        else if (others.size > 0)
                carry_warning(c, s,
                              "Network=%s let it reach %s; add Link=NAME to [Network] of the one that calls another",
                              DIAG_CLIP(network), DIAG_CLIP(others.data));
}

/* What a .network says of all its containers. */
static void put_network_unit(Carry *c, const Quadlet *unit) {
        for (size_t i = 0; i < unit->n; i++) {
                const QuadletSetting *s = &unit->list[i];

                if (!streq(s->section, "Network") || s->value[0] == '\0' ||
                    !quadlet_effective(unit, s, streq(s->key, "DNS")))
                        continue;
                if (streq(s->key, "DNS"))
                        carry_put(c, s, CARRY_NETWORK, "DNS", s->value);
                else if (streq(s->key, "Internal") && quadlet_bool(s) == 1)
                        carry_put(c, s, CARRY_NETWORK, "Policy", "deny-all");
                else if (streq(s->key, "IPv6") && quadlet_bool(s) == 1)
                        carry_put(c, s, CARRY_NETWORK, "IPv6", "yes");
                else if (streq(s->key, "Driver") && !streq(s->value, "bridge") && !unit->given)
                        carry_warning(c, s,
                                      "Driver=%s is not carried over: a container has a link of its own to the host",
                                      DIAG_CLIP(s->value));
        }
}

/* "ip=10.0.0.2,alias=web", what stands behind a network's name. */
static void put_options(Carry *c, const QuadletSetting *s, char *options) {
        char *save = NULL;

        for (char *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
                const char *address = startswith(o, "ip=") ? o + 3 : startswith(o, "ip6=") ? o + 4 : NULL;

                if (address)
                        carry_put(c, s, CARRY_NETWORK, "Address", address);
                else
                        carry_warning(c, s,
                                      "Network=: '%s' is not carried over: it is an option of podman's networks",
                                      DIAG_CLIP(o));
        }
}

static void put_mode(Carry *c, const QuadletSetting *s, const char *mode) {
        if (streq(mode, "private") && carry_has(c, CARRY_NETWORK, "Mode"))
                return; /* a second network of containers: the links are what counts */
        carry_put_ahead(c, s, CARRY_NETWORK, "Mode", mode);
}

static void join(Carry *c, const QuadletSetting *s, const Quadlet *other) {
        char mode[NAME_LENGTH_MAX + 8];

        if (other == c->q || strchr(other->name, '@') || other->name[0] == '\0') {
                carry_warning(c, s, "%s= is not carried over: one cannot join the network of %s", s->key,
                              other == c->q            ? "oneself"
                              : other->name[0] == '\0' ? "what has no valid name"
                                                       : "a template");
                return;
        }
        snprintf(mode, sizeof(mode), "join:%s", other->name);
        put_mode(c, s, mode);
}

/* "container:NAME", where NAME is podman's for it. */
static const Quadlet *find_by_container_name(const Carry *c, const char *name) {
        for (size_t i = 0; i < c->all->n; i++) {
                const Quadlet *q = c->all->list[i];
                const QuadletSetting *s = quadlet_last(q, "Container", "ContainerName");
                const char *plain = startswith(name, "systemd-");

                if (q->kind == QUADLET_CONTAINER &&
                    (s ? streq(s->value, name) : plain && streq(q->stem, plain)))
                        return q;
        }
        return NULL;
}

/* A network by its name. options is what stands behind, or NULL. */
static void put_network(Carry *c, const QuadletSetting *s, const char *name, char *options) {
        static const char *const own[] = {
                "bridge", "private", "default", "pasta", "slirp4netns", "podman"
        };
        const Quadlet *unit;

        for (size_t i = 0; i < ARRAY_LEN(own); i++)
                if (streq(name, own[i])) {
                        put_mode(c, s, "private");
                        if (options)
                                put_options(c, s, options);
                        return;
                }
        if (streq(name, "host") || streq(name, "none"))
                put_mode(c, s, name);
        else if (streq(name, "container") && options) {
                unit = find_by_container_name(c, options);
                if (unit)
                        join(c, s, unit);
                else
                        carry_warning(c, s,
                                      "Network= is not carried over: '%s' is none of these containers; write "
                                      "Mode=join:NAME",
                                      DIAG_CLIP(options));
        } else if (streq(name, "ns"))
                carry_warning(c, s,
                              "Network= is not carried over: Berth joins containers, not namespaces; write "
                              "Mode=join:NAME");
        else {
                unit = quadlets_find(c->all, name);
                if (!unit && (endswith(name, ".network") || endswith(name, ".container")))
                        carry_error(c, s,
                                    "Network= names '%s', which is not there; name it as well, or put it beside "
                                    "this file",
                                    DIAG_CLIP(name));
                else if (unit && unit->kind == QUADLET_CONTAINER) {
                        if (options)
                                carry_error(c, s, "Network= has options behind '%s', which podman refuses",
                                            DIAG_CLIP(name));
                        else
                                join(c, s, unit);
                } else {
                        put_mode(c, s, "private");
                        if (options)
                                put_options(c, s, options);
                        if (unit)
                                put_network_unit(c, unit);
                        put_links(c, s, name);
                }
        }
}

void carry_network(Carry *c, const QuadletSetting *s, const CarryRow *row _unused_) {
        _cleanup_free_ char *value = NULL;
        char *options;

        if (carry_of_pod(c, s) && c->first != c->q)
                return;
        if (!carry_of_pod(c, s) && c->pod) {
                carry_warning(c, s,
                              "Network= is not carried over: a container of a pod has the pod's network");
                return;
        }
        if (quadlet_string(s, &value) < 0) {
                c->failed = true;
                return;
        }
        options = strchr(value, ':');
        if (options)
                *options++ = '\0';
        put_network(c, s, value, options);
}

/* Is it the host's network, which has no ports to publish? */
static bool host_network(const Quadlet *q, const char *section) {
        const QuadletSetting *s = quadlet_last(q, section, "Network");

        return s && (streq(s->value, "host") || streq(s->value, "none"));
}

static bool ports_valid(const char *s) {
        size_t n = strspn(s, DIGITS);

        return n > 0 && n <= 5 &&
               (s[n] == '\0' || (s[n] == '-' && s[n + 1] != '\0' && strlen(s + n + 1) <= 5 &&
                                 strspn(s + n + 1, DIGITS) == strlen(s + n + 1)));
}

/* Takes the ports of the host for this setting. false: another one has them, which is told. What is no publication
 * is told by whoever writes it. */
static bool take_port(Carry *c, const QuadletSetting *s, const char *text) {
        const char *problem;
        CarryPort port = { .s = s }, *grown = c->ports;

        if (net_parse_publish(text, &port.publish, &problem) < 0)
                return true;
        for (size_t i = 0; i < c->n_ports; i++)
                if (net_publish_overlap(&c->ports[i].publish, &port.publish)) {
                        carry_warning(c, s,
                                      "PublishPort=%s is not carried over: line %u takes the port already",
                                      DIAG_CLIP(s->value), c->ports[i].s->line);
                        return false;
                }
        if ((c->n_ports & (c->n_ports + 1)) == 0)
                grown = reallocarray(c->ports, (c->n_ports + 1) * 2, sizeof(CarryPort));
        if (!grown) {
                c->failed = true;
                return false;
        }
        c->ports = grown;
        c->ports[c->n_ports++] = port;
        return true;
}

/* Publishes HOST at ADDRESS ("" for all) as CONTAINER; protocol is "" or "/udp". */
static void put_port(Carry *c, const QuadletSetting *s, const char *address, const char *host,
                     const char *container, const char *protocol) {
        _cleanup_free_ char *text = NULL;

        if (!ports_valid(container) || (host[0] != '\0' && !ports_valid(host))) {
                carry_warning(c, s, "PublishPort=%s is not carried over: write its ports as numbers",
                              DIAG_CLIP(s->value));
                return;
        }
        if (host[0] == '\0') {
                carry_warning(c, s,
                              "PublishPort=%s is not carried over: podman chooses a port of the host; choose one: "
                              "Publish=PORT:%s",
                              DIAG_CLIP(s->value), container);
                return;
        }
        if (streq(address, "0.0.0.0") || streq(address, "[::]")) {
                carry_note(c, s,
                           "PublishPort=%s: the port is published at all addresses, of both IPv4 and IPv6",
                           DIAG_CLIP(s->value));
                address = "";
        }
        if (asprintf(&text, "%s%s%s:%s%s", address, address[0] != '\0' ? ":" : "", host, container,
                     protocol) < 0) {
                text = NULL;
                c->failed = true;
                return;
        }
        if (take_port(c, s, text))
                carry_put(c, s, CARRY_NETWORK, "Publish", text);
}

/* [[ADDRESS:][HOST]:]CONTAINER[/PROTOCOL] */
void carry_publish(Carry *c, const QuadletSetting *s, const CarryRow *row _unused_) {
        _cleanup_free_ char *value = NULL;
        char protocol[16] = "", *slash, *container, *host;
        bool of_pod = carry_of_pod(c, s);

        if (of_pod && c->first != c->q)
                return;
        if (!of_pod && c->pod)
                carry_warning(c, s,
                              "PublishPort=%s is not carried over: a container of a pod has the pod's ports",
                              DIAG_CLIP(s->value));
        else if (host_network(of_pod ? c->pod : c->q, of_pod ? "Pod" : "Container"))
                carry_warning(c, s,
                              "PublishPort=%s is not carried over: with this Network= there is nothing to publish",
                              DIAG_CLIP(s->value));
        else if (quadlet_string(s, &value) < 0)
                c->failed = true;
        if (!value)
                return;
        slash = strchr(value, '/');
        if (slash) {
                snprintf(protocol, sizeof(protocol), "%s", slash);
                *slash = '\0';
        }
        if (slash && !streq(protocol, "/tcp") && !streq(protocol, "/udp") && !streq(protocol, "/sctp")) {
                carry_warning(c, s, "PublishPort=%s is not carried over: the protocol is tcp, udp or sctp",
                              DIAG_CLIP(s->value));
                return;
        }
        container = strrchr(value, ':');
        if (!container) {
                put_port(c, s, "", "", value, protocol);
                return;
        }
        *container++ = '\0';
        host = value[0] == '[' && endswith(value, "]") ? NULL : strrchr(value, ':');
        if (host)
                *host++ = '\0';
        else if (strchr(value, '.') || value[0] == '[') { /* an address alone: podman has no such form */
                put_port(c, s, value, "", container, protocol);
                return;
        }
        put_port(c, s, host ? value : "", host ? host : value, container, protocol);
}

/* The first container of a pod starts the others with it, as the pod's service does. */
static void start_members(Carry *c) {
        const QuadletSetting *own = quadlet_last(c->q, "Container", "Pod");

        for (size_t i = 0; i < c->all->n; i++) {
                const Quadlet *q = c->all->list[i];
                const QuadletSetting *start = quadlet_last(q, "Container", "StartWithPod");
                _cleanup_free_ char *name = NULL;

                if (q == c->q || !quadlet_in_pod(q, c->pod) || strchr(q->name, '@') || q->name[0] == '\0' ||
                    (start && quadlet_bool(start) != 1))
                        continue;
                name = carry_reference(c, q);
                carry_put(c, own, CARRY_UNIT, "Wants", name);
        }
}

void carry_pod_member(Carry *c) {
        const QuadletSetting *s = quadlet_last(c->q, "Container", "Pod");
        _cleanup_free_ char *name = NULL;

        if (!c->first)
                return;
        carry_note(c, s,
                   "Pod=: the containers of '%s' share the network of %s; shared memory and the host name are each one's "
                   "own",
                   DIAG_CLIP(c->pod->file), c->first == c->q ? "this one" : c->first->name);
        if (c->first == c->q) {
                start_members(c);
                return;
        }
        join(c, s, c->first);
        if (strchr(c->first->name, '@'))
                return;
        name = carry_reference(c, c->first);
        carry_put(c, s, CARRY_UNIT, "BindsTo", name);
        carry_put(c, s, CARRY_UNIT, "After", name);
}
