/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/json-text.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The letter behind a backslash, or 0 where there is none. DEL needs no escape, but a terminal obeys it. */
static char short_escape(char c) {
        switch (c) {
        case '"':
        case '\\':
                return c;
        case '\b':
                return 'b';
        case '\f':
                return 'f';
        case '\n':
                return 'n';
        case '\r':
                return 'r';
        case '\t':
                return 't';
        default:
                return '\0';
        }
}

size_t json_text(const char *s, size_t n, char *ret) {
        static const char hex[] = "0123456789abcdef";
        char *p = ret;

        *p++ = '"';
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) s[i];
                char letter = short_escape(s[i]);

                if (letter) {
                        *p++ = '\\';
                        *p++ = letter;
                } else if (c < ' ' || c == 0x7f) {
                        memcpy(p, "\\u00", 4);
                        p[4] = hex[c >> 4];
                        p[5] = hex[c & 0xf];
                        p += 6;
                } else
                        *p++ = s[i];
        }
        *p++ = '"';
        return (size_t) (p - ret);
}

size_t json_base64(const char *s, size_t n, char *ret) {
        char *p = ret;

        *p++ = '"';
        for (size_t i = 0; i < n; i += 3) {
                size_t left = MIN(n - i, (size_t) 3);
                uint32_t three = 0;

                for (size_t k = 0; k < 3; k++)
                        three = three << 8 | (k < left ? (unsigned char) s[i + k] : 0U);
                *p++ = letters[three >> 18];
                *p++ = letters[three >> 12 & 0x3f];
                *p++ = left > 1 ? letters[three >> 6 & 0x3f] : '=';
                *p++ = left > 2 ? letters[three & 0x3f] : '=';
        }
        *p++ = '"';
        return (size_t) (p - ret);
}

size_t json_unbase64(const char *s, size_t n, char *ret) {
        uint32_t bits = 0;
        unsigned held = 0;
        size_t size = 0;

        for (size_t i = 0; i < n; i++) {
                const char *at = s[i] == '\0' ? NULL : strchr(letters, s[i]);

                if (!at)
                        break;
                bits = bits << 6 | (uint32_t) (at - letters);
                held += 6;
                if (held >= 8) {
                        held -= 8;
                        ret[size++] = (char) (bits >> held);
                }
        }
        return size;
}
