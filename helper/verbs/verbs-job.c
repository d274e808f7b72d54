/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/verbs.h"

/* The words of "berth job". */

#define O(option) SUBVERB_OPTION(JOB_##option)

/* clang-format off */
const Option job_options[] = {
        [JOB_SINCE_CURSOR] = { "since-cursor", 0, "CURSOR", "Only what came after what was read then" },
        [JOB_JSON]         = { "json", 0, NULL, "As JSON" },
        [JOB_NO_LEGEND]    = { "no-legend", 0, NULL, "Without the heading" },
        [_JOB_MAX]         = {},
};

const Subverb job_subverbs[] = {
        { "list", "[NAME]", "List jobs, of one container or of all", O(JSON) | O(NO_LEGEND) },
        { "logs", "JOB", "Print what a job has written, and a cursor to go on from", O(SINCE_CURSOR) | O(JSON) },
        { "stop", "JOB...", "End jobs: SIGTERM, after two seconds SIGKILL", O(JSON) },
        { "remove", "JOB...", "Forget jobs that have ended", O(JSON) },
        {},
};
/* clang-format on */
