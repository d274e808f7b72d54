/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/verbs.h"

/* The words of "berth volume". */

#define O(option) SUBVERB_OPTION(VOLUME_##option)

/* clang-format off */
const Option volume_options[] = {
        [VOLUME_OWNER]     = { "owner", 0, "UID[:GID]", "Whose it is, as the container counts; default: root's" },
        [VOLUME_MODE]      = { "mode", 0, "MODE", "Its permissions, octal; default: 0755" },
        [VOLUME_FORCE]     = { "force", 0, NULL, "Though a container uses it" },
        [VOLUME_FREEZE]    = { "freeze", 0, NULL, "The containers that use it stand still meanwhile" },
        [VOLUME_MAX_SIZE]  = { "max-size", 0, "BYTES", "Refuse what unpacks to more; default: 64G" },
        [VOLUME_JSON]      = { "json", 0, NULL, "As JSON" },
        [VOLUME_NO_LEGEND] = { "no-legend", 0, NULL, "Without the heading" },
        [_VOLUME_MAX]      = {},
};

const Subverb volume_subverbs[] = {
        { "list", "[NAME]", "List volumes", O(JSON) | O(NO_LEGEND), false },
        { "create", "NAME:VOLUME", "Make an empty volume", O(OWNER) | O(MODE) | O(JSON), false },
        { "remove", "NAME:VOLUME", "Remove a volume and all that is in it", O(FORCE) | O(JSON), false },
        { "backup", "NAME:VOLUME [FILE|-]", "Write a volume to an archive", O(FREEZE) | O(JSON), false },
        { "restore", "NAME:VOLUME FILE|-", "Make an archive the content of a volume", O(MAX_SIZE) | O(JSON), false },
        {},
};
/* clang-format on */
