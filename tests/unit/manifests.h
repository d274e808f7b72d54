/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/unit/check.h"

#include "generator/manifest.h"

/* Manifests as text, and what is wrong with them. */

#define IMAGE "[Container]\nImage=a\n" /* the next line is 3 */

static inline void parse(Manifest *m, const char *text) {
        _cleanup_free_ char *copy = strdup(text);

        assert_non_null(copy);
        assert_int_equal(manifest_init(m, "web", "/etc/berth/web.berth"), 0);
        assert_int_equal(manifest_parse(m, &(Fragment){ .data = copy, .size = strlen(copy) }, 1), 0);
        diags_sort(&m->diags);
}

typedef struct Bad {
        const char *text;
        unsigned line;
        const char *message; /* its beginning */
} Bad;

/* Each row has exactly one error, of that line and those words. */
static inline void check_bad(const Bad *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_manifest_ Manifest m = { 0 };

                parse(&m, rows[i].text);
                if (m.diags.errors != 1)
                        fail_msg("row %zu: %s: %zu errors%s%s", i, rows[i].text, m.diags.errors,
                                 m.diags.errors > 0 ? ", the first: " : "",
                                 m.diags.errors > 0 ? m.diags.list[0].message : "");
                if (!startswith(m.diags.list[0].message, rows[i].message))
                        fail_msg("row %zu: '%s' does not begin '%s'", i, m.diags.list[0].message,
                                 rows[i].message);
                if (m.diags.list[0].line != rows[i].line)
                        fail_msg("row %zu: line %u, not %u: %s", i, m.diags.list[0].line, rows[i].line,
                                 m.diags.list[0].message);
        }
}
