/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/verbs.h"

/* The words of "berth env". */

#define O(option) SUBVERB_OPTION(ENV_##option)

/* clang-format off */
const Option env_options[] = {
        [ENV_JSON] = { "json", 0, NULL, "As JSON" },
        [_ENV_MAX] = {},
};

const Subverb env_subverbs[] = {
        { "set", "NAME VARIABLE=VALUE...", "Keep variables for later execs in a container", O(JSON) },
        { "unset", "NAME VARIABLE...", "Forget variables", O(JSON) },
        { "list", "NAME", "List what is kept", O(JSON) },
        {},
};
/* clang-format on */
