/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever the bytes, each line that is read is one that systemd would read as one line: no end of line in it, no
 * blanks around it, a place inside the file. */

#include "common/base.h"
#include "common/utf8.h"
#include "generator/lines.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *s) {
        size_t n = strlen(s);

        assert(!strpbrk(s, "\n\r"));
        assert(n <= LINES_LINE_MAX);
        assert(n == 0 || (!strchr(" \t", s[0]) && !strchr(" \t", s[n - 1])));
        assert(utf8_valid_prefix(s, n) == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *copy = malloc(size + 1);
        Diags diags = { 0 };
        unsigned last = 0;
        Lines lines;
        Line line;

        assert(copy);
        if (size > 0)
                memcpy(copy, data, size);
        copy[size] = '\0';
        lines_open(&lines, copy, size);
        for (lines_next(&lines, &line, &diags); line.kind != LINE_END; lines_next(&lines, &line, &diags)) {
                assert(line.line > last && line.line <= size + 1);
                last = line.line;
                check_text(line.key);
                assert(line.key[0] != '\0' || line.kind == LINE_SECTION);
                assert(line.key_column > 0 && line.value_column > 0);
                assert((line.kind == LINE_SETTING) == (line.value != NULL));
                if (line.value)
                        check_text(line.value);
        }
        assert(!diags.failed && diags.n <= DIAG_KEPT_MAX);
        diags_done(&diags);
        return 0;
}
