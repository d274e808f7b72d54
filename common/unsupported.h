/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a manifest may ask for and this version of Berth does not do yet: berth launch refuses to start it, berth check
 * says so beforehand. A row goes when its feature comes.
 *
 * ROW(option of launch, section, key, harmless, form, mend): harmless are the values, '|' between them, that ask for
 * nothing that is not done anyway; form is how launch checks a value that it has no other use for
 * (helper/launch/unsupported.c); mend says what to do instead. */

#define REMOVE_IT "remove it"

/* clang-format off */
#define UNSUPPORTED_KEYS(ROW) \
        ROW(NETWORK,             "Network",   "Mode",             "private|none|host", text,     "set private, none or host") \
        ROW(PUBLISH,             "Network",   "Publish",          "",                  publish,  "publish on a loopback address, as 127.0.0.1:8080:80, or set Mode=host") \
        ROW(POLICY,              "Network",   "Policy",           "",                  policy,   REMOVE_IT) \
        ROW(POLICY_DEFAULT,      "Network",   "Default",          "",                  verdict,  REMOVE_IT) \
        ROW(ALLOW_DOMAIN,        "Network",   "AllowDomain",      "",                  domain,   REMOVE_IT) \
        ROW(ALLOW_CIDR,          "Network",   "AllowCIDR",        "",                  prefix,   REMOVE_IT) \
        ROW(DENY_CIDR,           "Network",   "DenyCIDR",         "",                  prefix,   REMOVE_IT) \
        ROW(ALLOW,               "Network",   "Allow",            "",                  endpoint, REMOVE_IT) \
        ROW(PROTOCOL,            "Network",   "Protocol",         "",                  protocol, REMOVE_IT) \
        ROW(DNS,                 "Network",   "DNS",              "",                  address,  REMOVE_IT) \
        ROW(LINK,                "Network",   "Link",             "",                  text,     REMOVE_IT) \
        ROW(ALLOW_HOST,          "Network",   "AllowHost",        "",                  port,     REMOVE_IT) \
        ROW(BANDWIDTH,           "Network",   "Bandwidth",        "",                  number,   REMOVE_IT) \
        ROW(BANDWIDTH_UP,        "Network",   "BandwidthUp",      "",                  number,   REMOVE_IT) \
        ROW(ADDRESS,             "Network",   "Address",          "",                  address,  REMOVE_IT) \
        ROW(IPV6,                "Network",   "IPv6",             "",                  boolean,  REMOVE_IT) \
        ROW(HOOK_NETWORK_UP,     "Hooks",     "NetworkUp",        "",                  any,      REMOVE_IT) \
        ROW(HOOK_NETWORK_DOWN,   "Hooks",     "NetworkDown",      "",                  any,      REMOVE_IT) \
        ROW(HOOK_POLICY_CHANGED, "Hooks",     "PolicyChanged",    "",                  any,      REMOVE_IT)
/* clang-format on */
