/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"
#include "common/network.h"
#include "helper/verbs/verbs.h"

/* berth dns: what berth-dns@NAME.service runs beside a container with AllowDomain=. Checks what it is called with. The
 * policy that it would fill is none that this version sets up, and so it ends; launch refuses such a container as well. */

static int check_word(int option, const char *value) {
        const char *problem = NULL;
        NetAddress address;
        char name[NET_DOMAIN_SIZE];

        if (option == DNS_ALLOW_DOMAIN && net_parse_domain(value, name, &problem) < 0)
                return log_error_errno(EINVAL, "dns: --allow-domain=%s: %s", value, problem);
        if (option == DNS_DNS && net_parse_address(value, &address, &problem) < 0)
                return log_error_errno(EINVAL, "dns: --dns=%s: %s", value, problem);
        return 0;
}

/* 1: help was asked for. */
static int parse(char *argv[], const char **ret_name) {
        OptionParser parser = { .options = dns_options, .argv = argv };
        const char *value, *name = NULL;
        unsigned domains = 0;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                int option = r;

                if (r < 0)
                        return r;
                if (r == OPTIONS_HELP)
                        return verb_help("dns"), 1;
                if (r == OPTIONS_OPERAND)
                        return log_error_errno(EINVAL, "dns: unexpected argument '%s'", value);
                r = check_word(option, value);
                if (r < 0)
                        return r;
                name = option == DNS_NAME ? value : name;
                domains += option == DNS_ALLOW_DOMAIN;
        }
        if (!name || !name_valid(name, false))
                return log_error_errno(EINVAL, "dns: expected --name=NAME");
        if (domains == 0)
                return log_error_errno(EINVAL, "dns: expected --allow-domain=NAME");
        *ret_name = name;
        return 0;
}

int verb_dns(int argc _unused_, char *argv[]) {
        const char *name = NULL;
        int r;

        r = parse(argv, &name);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_DONE;
        log_error("container '%s' has AllowDomain=, which this version of Berth does not support; remove it",
                  name);
        return EXIT_FAILED;
}
