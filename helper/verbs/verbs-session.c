/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/verbs.h"

/* The words of "berth session". */

#define O(option) SUBVERB_OPTION(SESSION_##option)

/* clang-format off */
const Option session_options[] = {
        [SESSION_JSON]      = { "json", 0, NULL, "As JSON" },
        [SESSION_NO_LEGEND] = { "no-legend", 0, NULL, "Without the heading" },
        [_SESSION_MAX]      = {},
};

const Subverb session_subverbs[] = {
        { "list", "[NAME]", "List sessions, of one container or of all", O(JSON) | O(NO_LEGEND) },
        { "reset", "NAME ID...", "Have sessions begin anew", O(JSON) },
        { "close", "NAME ID...", "Forget sessions", O(JSON) },
        {},
};
/* clang-format on */
