/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/utf8.h"

/* Length of the valid character at s, of which n > 0 bytes are there; 0 if there is none. */
static size_t character_length(const unsigned char *s, size_t n) {
        uint32_t c, least;
        size_t length;

        if (s[0] < 0x80)
                return 1;
        if ((s[0] & 0xe0) == 0xc0) {
                length = 2;
                least = 0x80;
                c = s[0] & 0x1fU;
        } else if ((s[0] & 0xf0) == 0xe0) {
                length = 3;
                least = 0x800;
                c = s[0] & 0x0fU;
        } else if ((s[0] & 0xf8) == 0xf0) {
                length = 4;
                least = 0x10000;
                c = s[0] & 0x07U;
        } else
                return 0;
        if (n < length)
                return 0;
        for (size_t i = 1; i < length; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3fU);
        }
        if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        /* Noncharacters are no text to systemd: it would leave out the line of a unit that holds one (tried). */
        if ((c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe)
                return 0;
        return length;
}

size_t utf8_valid_prefix(const char *s, size_t n) {
        size_t i = 0;

        while (i < n) {
                uint64_t eight;
                size_t length;

                /* Most text is ASCII, of which no byte has its highest bit set. */
                if (n - i >= sizeof(eight)) {
                        memcpy(&eight, s + i, sizeof(eight));
                        if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                                i += sizeof(eight);
                                continue;
                        }
                }
                length = character_length((const unsigned char *) s + i, n - i);

                if (length == 0)
                        break;
                i += length;
        }
        return i;
}

static bool is_c1(unsigned char c) {
        return c >= 0x80 && c < 0xa0;
}

void utf8_disarm(char *s, size_t n) {
        for (size_t i = 0, length; i < n; i += length) {
                unsigned char c = (unsigned char) s[i];

                length = character_length((const unsigned char *) s + i, n - i);
                if (length == 2 && c == 0xc2 && is_c1((unsigned char) s[i + 1]))
                        s[i] = s[i + 1] = '?';
                else if ((length == 1 && (c < ' ' || c == 0x7f) && c != '\t') || (length == 0 && is_c1(c)))
                        s[i] = '?';
                length = MAX(length, (size_t) 1);
        }
}

size_t utf8_encode(uint32_t c, char ret[static 4]) {
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

        if (n == 1) {
                ret[0] = (char) c;
                return 1;
        }
        for (size_t i = n - 1; i > 0; i--) {
                ret[i] = (char) (0x80 | (c & 0x3f));
                c >>= 6;
        }
        ret[0] = (char) ((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
        return n;
}
