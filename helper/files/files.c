/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/prctl.h>

#include "common/contract.h"
#include "helper/container/confine.h"
#include "helper/container/descriptors.h"
#include "helper/verbs/program.h"
#include "helper/verbs/verbs.h"

/* berth-files: the verbs that reach into a container, apart from what must start fast. "berth file" and the like
 * execute it. */

/* clang-format off */
static const ProgramVerb functions[] = {
        { "cp",     verb_cp },
        { "file",   verb_file },
        { "mount",  verb_mount },
        { "umount", verb_umount },
};
/* clang-format on */

int main(int argc, char *argv[]) {
        /* Unreadable from the start for whoever lives in the container. */
        if (stdio_fill() < 0 || confine_descriptors(3) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return EXIT_FAILED;
        return program_run("berth-files", functions, ARRAY_LEN(functions), argc, argv);
}
