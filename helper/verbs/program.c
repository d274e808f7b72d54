/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/program.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"

int program_run(const char *name, const ProgramVerb *verbs, size_t n, int argc, char *argv[]) {
        for (size_t i = 0; argc >= 2 && i < n; i++)
                if (streq(verbs[i].name, argv[1])) {
                        int r = verbs[i].run(argc - 1, argv + 1);

                        /* A full disk must not look like a short list. */
                        if (fflush(stdout) != 0 || ferror(stdout)) {
                                log_error_errno(errno, "cannot write to standard output: %m");
                                r = EXIT_FAILED;
                        }
                        return r;
                }
        log_error("%s is called by berth, see berth --help", name);
        return EXIT_USAGE;
}
