/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a manifest may ask for and this version of Berth does not do yet: berth launch refuses to start it, berth check
 * says so beforehand. A row goes when its feature comes.
 *
 * ROW(option of launch, section, key, harmless, form): harmless are the values, '|' between them, that ask for nothing
 * that is not done anyway; form is how launch checks a value that it has no other use for (helper/launch/unsupported.c). */

/* clang-format off */
#define UNSUPPORTED_KEYS(ROW) \
        ROW(NETWORK,             "Network",   "Mode",             "private|none|host", text) \
        ROW(PUBLISH,             "Network",   "Publish",          "",                  publish) \
        ROW(POLICY,              "Network",   "Policy",           "",                  policy) \
        ROW(POLICY_DEFAULT,      "Network",   "Default",          "",                  verdict) \
        ROW(ALLOW_DOMAIN,        "Network",   "AllowDomain",      "",                  domain) \
        ROW(ALLOW_CIDR,          "Network",   "AllowCIDR",        "",                  prefix) \
        ROW(DENY_CIDR,           "Network",   "DenyCIDR",         "",                  prefix) \
        ROW(ALLOW,               "Network",   "Allow",            "",                  endpoint) \
        ROW(PROTOCOL,            "Network",   "Protocol",         "",                  protocol) \
        ROW(DNS,                 "Network",   "DNS",              "",                  address) \
        ROW(LINK,                "Network",   "Link",             "",                  text) \
        ROW(ALLOW_HOST,          "Network",   "AllowHost",        "",                  port) \
        ROW(BANDWIDTH,           "Network",   "Bandwidth",        "",                  number) \
        ROW(BANDWIDTH_UP,        "Network",   "BandwidthUp",      "",                  number) \
        ROW(ADDRESS,             "Network",   "Address",          "",                  address) \
        ROW(IPV6,                "Network",   "IPv6",             "",                  boolean) \
        ROW(HOOK_NETWORK_UP,     "Hooks",     "NetworkUp",        "",                  any) \
        ROW(HOOK_NETWORK_DOWN,   "Hooks",     "NetworkDown",      "",                  any) \
        ROW(HOOK_POLICY_CHANGED, "Hooks",     "PolicyChanged",    "",                  any)
/* clang-format on */
