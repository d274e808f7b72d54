/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/unit.h"

#include "common/utf8.h"

void unit_section(Text *t, const char *name) {
        text_add(t, "[");
        text_add(t, name);
        text_add(t, "]\n");
}

int unit_line(Text *t, const char *key, const char *value) {
        size_t n = strlen(value), k = 0;

        while (k < n && value[n - 1 - k] == '\\')
                k++;
        if (strpbrk(value, "\n\r") || k % 2 == 1)
                return -EINVAL;
        if (strlen(key) + 1 + n > UNIT_LINE_MAX)
                return -E2BIG;
        text_add(t, key);
        text_add(t, "=");
        text_add(t, value);
        text_add(t, "\n");
        return 0;
}

int unit_literal(Text *t, const char *key, const char *value) {
        _cleanup_text_ Text doubled = { 0 };
        _cleanup_free_ char *text = NULL;
        int r;

        for (; *value; value++) {
                text_add_bytes(&doubled, value, 1);
                if (*value == '%')
                        text_add(&doubled, "%");
        }
        r = text_take(&doubled, &text, NULL);
        return r < 0 ? r : unit_line(t, key, text);
}

/* How many bytes from s on are written as they are. */
static size_t plain_prefix(const char *s, bool utf8, UnitPercent percent) {
        size_t n = 0;

        for (;; n++) {
                unsigned char c = (unsigned char) s[n];

                if (c < ' ' || c == '"' || c == '\\' || c == 0x7f || (c >= 0x80 && !utf8) ||
                    (c == '%' && percent == UNIT_LITERAL))
                        return n;
        }
}

/* Adds what stands between the quotes. */
static void add_escaped(Text *t, const char *word, UnitPercent percent) {
        static const char names[] = "nrt\"\\", bytes[] = "\n\r\t\"\\";
        size_t n = strlen(word);
        bool utf8 = utf8_valid_prefix(word, n) == n;

        for (;; word++) {
                const char *named;

                n = plain_prefix(word, utf8, percent);
                text_add_bytes(t, word, n);
                word += n;
                if (*word == '\0')
                        break;
                named = strchr(bytes, *word);
                if (named)
                        text_addf(t, "\\%c", names[named - bytes]);
                else if (*word == '%')
                        text_add(t, "%%");
                else
                        text_addf(t, "\\x%02x", (unsigned char) *word);
        }
}

void unit_word(Text *t, const char *word, UnitPercent percent) {
        text_add_bytes(t, "\"", 1);
        add_escaped(t, word, percent);
        text_add_bytes(t, "\"", 1);
}

void unit_option(Text *t, const char *prefix, const char *value) {
        text_add_bytes(t, "\"", 1);
        add_escaped(t, prefix, UNIT_SPECIFIERS);
        add_escaped(t, value, UNIT_SPECIFIERS);
        text_add_bytes(t, "\"", 1);
}
