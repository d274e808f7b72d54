/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options of the verbs that berth-manifest has: it parses them, berth shows them to completion and to the check
 * of the man page, and both read these rows. ROW(name, argument or NULL, help); the order is that of --help. */

/* clang-format off */
#define MANIFEST_OPTIONS_LOOKUP(ROW) \
        ROW("manifest-path", "DIR:...", "Look for manifests here, first wins") \
        ROW("unit-path", "DIR:...", "Look for units of the system here") \
        ROW("root", "DIR", "Take all these directories below DIR")

#define MANIFEST_OPTIONS_CHECK(ROW) \
        ROW("json", NULL, "Print one JSON object") \
        MANIFEST_OPTIONS_LOOKUP(ROW)

#define MANIFEST_OPTIONS_PREVIEW(ROW) \
        ROW("json", NULL, "Print one JSON array") \
        MANIFEST_OPTIONS_LOOKUP(ROW)

#define MANIFEST_OPTIONS_DIFF(ROW) \
        ROW("json", NULL, "Print one JSON object") \
        MANIFEST_OPTIONS_LOOKUP(ROW)

#define MANIFEST_OPTIONS_CONVERT(ROW) \
        ROW("output", "DIR", "Write the manifests into DIR, where none may have their names yet") \
        ROW("json", NULL, "Print one JSON object")

#define MANIFEST_OPTIONS_ENABLE(ROW) \
        ROW("json", NULL, "Print one JSON array") \
        MANIFEST_OPTIONS_LOOKUP(ROW)
/* clang-format on */
