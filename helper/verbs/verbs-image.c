/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/verbs/verbs.h"

/* The words of "berth image". */

#define O(option) SUBVERB_OPTION(IMAGE_##option)

/* clang-format off */
const Option image_options[] = {
        [IMAGE_NAME]        = { "name", 0, "ID", "What the image is to be called; default: what the source suggests" },
        [IMAGE_TAG]         = { "tag", 0, "ID", "Another name that leads to it, repeatable" },
        [IMAGE_FORCE]       = { "force", 0, NULL, "Replace what no import made; remove what is in use" },
        [IMAGE_MAX_SIZE]    = { "max-size", 0, "BYTES", "Refuse what unpacks to more; default: 64G" },
        [IMAGE_MAX_ENTRIES] = { "max-entries", 0, "N", "Refuse what has more files; default: 10000000" },
        [IMAGE_JSON]        = { "json", 0, NULL, "As JSON" },
        [IMAGE_NO_LEGEND]   = { "no-legend", 0, NULL, "Without the heading" },
        [IMAGE_ALL]         = { "all", 0, NULL, "What was replaced less than a minute ago as well" },
        [_IMAGE_MAX]        = {},
};

const Subverb image_subverbs[] = {
        { "import", "SOURCE", "Make an image of a tar archive, a directory or an OCI image",
          O(NAME) | O(TAG) | O(JSON) | O(FORCE) | O(MAX_SIZE) | O(MAX_ENTRIES) },
        { "list", "", "List images", O(JSON) | O(NO_LEGEND) },
        { "inspect", "ID", "Show an image", O(JSON) },
        { "verify", "ID", "Compare an image with what was imported", O(JSON) },
        { "remove", "ID", "Remove an image", O(FORCE) | O(JSON) },
        { "prune", "", "Remove what was replaced and is not in use", O(ALL) | O(JSON) },
        {},
};
/* clang-format on */
