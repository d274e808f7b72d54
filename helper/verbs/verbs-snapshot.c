/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/verbs.h"

/* The words of "berth snapshot". */

#define O(option) SUBVERB_OPTION(SNAPSHOT_##option)

/* clang-format off */
const Option snapshot_options[] = {
        [SNAPSHOT_JSON]      = { "json", 0, NULL, "As JSON" },
        [SNAPSHOT_NO_LEGEND] = { "no-legend", 0, NULL, "Without the heading" },
        [SNAPSHOT_ALL]       = { "all", 0, NULL, "All of the container" },
        [_SNAPSHOT_MAX]      = {},
};

const Subverb snapshot_subverbs[] = {
        { "create", "NAME [TAG]", "Copy what a container keeps", O(JSON), false },
        { "list", "[NAME]", "List snapshots", O(JSON) | O(NO_LEGEND), false },
        { "restore", "NAME [TAG]", "Put a stopped container back to a snapshot", O(JSON), false },
        { "remove", "NAME [TAG]", "Remove a snapshot", O(ALL) | O(JSON), false },
        {},
};
/* clang-format on */
