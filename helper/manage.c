/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "helper/verbs.h"

/* berth-manage: the verbs that ask systemd and print JSON, apart from those that must start fast. "berth VERB"
 * executes it. */

/* clang-format off */
static const struct {
        const char *name;
        int (*run)(int argc, char *argv[]);
} functions[] = {
        { "list",               verb_list },
        { "status",             verb_status },
        { "clean",              verb_clean },
        { "health",             verb_health },
        { "proxy",              verb_proxy },
        { "machine-register",   verb_machine_register },
        { "machine-unregister", verb_machine_unregister },
};
/* clang-format on */

int main(int argc, char *argv[]) {
        for (size_t i = 0; argc >= 2 && i < ARRAY_LEN(functions); i++)
                if (streq(functions[i].name, argv[1])) {
                        int r = functions[i].run(argc - 1, argv + 1);

                        /* A full disk must not look like a short list. */
                        if (fflush(stdout) != 0 || ferror(stdout)) {
                                log_error_errno(errno, "cannot write to standard output: %m");
                                r = EXIT_FAILED;
                        }
                        return r;
                }
        log_error("berth-manage is called by berth, see berth --help");
        return EXIT_USAGE;
}
