/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include "common/utf8.h"

static void test_what_a_terminal_obeys(void **state) {
        static const struct {
                const char *s, *left;
        } rows[] = {
                { "", "" },
                { "plain\ttext", "plain\ttext" },
                { "a\033[2Jb\r\n\a\177", "a?[2Jb????" },
                { "a\302\2332Jb", "a??2Jb" }, /* CSI, as UTF-8 */
                { "\302\200\302\237\302\240",
                  "????\302\240" }, /* the first and the last of C1, and what is behind */
                { "\2332J\200\237\240\377", "?2J??\240\377" }, /* as a byte, which is no UTF-8 */
                { "\304\233\303\204\360\237\230\200", "\304\233\303\204\360\237\230\200" },
                { "\302", "\302" }, /* cut off: nothing that is obeyed */
        };

        (void) state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                size_t n = strlen(rows[i].s);
                char *s = malloc(MAX(n, 1U)); /* not a byte more */

                memcpy(s, rows[i].s, n);
                utf8_disarm(s, n);
                ROW(i, "left", memcmp(s, rows[i].left, n) == 0);
                free(s);
        }
}

RUN(TEST(test_what_a_terminal_obeys))
