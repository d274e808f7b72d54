/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/text/printable.h"

static bool is_plain(unsigned char c) {
        return c >= ' ' && c < 0x7f && c != '\\';
}

Shown shown(const char *s) {
        static const char dots[] = "...";
        Shown ret;
        char *to = ret.text, *end = ret.text + sizeof(ret.text) - sizeof(dots);

        for (; *s; s++) {
                size_t need = is_plain((unsigned char) *s) ? 1 : 4;

                if ((size_t) (end - to) < need) {
                        to = stpcpy(to, dots);
                        break;
                }
                if (need == 1)
                        *to++ = *s;
                else {
                        snprintf(to, 5, "\\x%02x", (unsigned char) *s);
                        to += 4;
                }
        }
        *to = '\0';
        return ret;
}

void print_word(FILE *f, const char *s) {
        for (; *s; s++)
                if (is_plain((unsigned char) *s) && *s != ' ')
                        putc_unlocked(*s, f);
                else
                        fprintf(f, "\\x%02x", (unsigned char) *s);
}

int printable(const char *s, size_t n, char **ret) {
        size_t size = 4 * n + 1;
        char *text = malloc(size), *to = text;

        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (is_plain((unsigned char) s[i]))
                        *to++ = s[i];
                else
                        to += snprintf(to, size - (size_t) (to - text), "\\x%02x", (unsigned char) s[i]);
        *to = '\0';
        *ret = text;
        return 0;
}
