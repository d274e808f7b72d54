/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/words.h"

#include "common/strv.h"
#include "common/utf8.h"
#include "generator/text.h"

#define BLANKS " \t\n\r"

/* Reads up to n digits of base 8 or 16 at s; returns how many were there. */
static size_t take_number(const char *s, unsigned base, size_t n, uint32_t *ret) {
        static const char digits[] = "0123456789abcdef";
        uint32_t v = 0;
        size_t i;

        for (i = 0; i < n && s[i] != '\0'; i++) {
                char c = (char) (s[i] >= 'A' && s[i] <= 'F' ? s[i] - 'A' + 'a' : s[i]);
                const char *d = strchr(digits, c);

                if (!d || (unsigned) (d - digits) >= base)
                        break;
                v = v * base + (uint32_t) (d - digits);
        }
        *ret = v;
        return i;
}

/* \xHH and \NNN are bytes, \uXXXX and \UXXXXXXXX are characters. s is behind the backslash. */
static int take_numeric_escape(const char *s, Text *word, size_t *ret_length, const char **reterr) {
        bool octal = s[0] >= '0' && s[0] <= '7';
        size_t n = octal ? 3 : s[0] == 'x' ? 2 : s[0] == 'u' ? 4 : 8, skip = octal ? 0 : 1;
        bool byte = octal || s[0] == 'x';
        uint32_t v;
        char c[4];

        if (take_number(s + skip, octal ? 8 : 16, n, &v) != n || (byte && v > 0xff)) {
                *reterr = "an escape is cut short or out of range; write \\xHH, \\NNN (octal, at most \\377), "
                          "\\uXXXX or \\UXXXXXXXX in full";
                return -EINVAL;
        }
        if (v == 0) {
                *reterr = "an escape makes a NUL byte, which no argument or variable can hold; remove it";
                return -EINVAL;
        }
        if (byte) {
                c[0] = (char) v;
                text_add_bytes(word, c, 1);
        } else if (v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) {
                *reterr = "an escape names no Unicode character; write one up to \\U0010ffff";
                return -EINVAL;
        } else
                text_add_bytes(word, c, utf8_encode(v, c));
        *ret_length = skip + n;
        return 0;
}

/* Appends what the escape at s, behind the backslash, stands for. */
static int take_escape(const char *s, Text *word, size_t *ret_length, const char **reterr) {
        static const char names[] = "abfnrtv\\\"'s", bytes[] = "\a\b\f\n\r\t\v\\\"' ";
        const char *name;

        if (s[0] == '\0') {
                *reterr = "a backslash ends the value; write two for one";
                return -EINVAL;
        }
        name = strchr(names, s[0]);
        if (name) {
                text_add_bytes(word, bytes + (name - names), 1);
                *ret_length = 1;
                return 0;
        }
        if (strchr("01234567xuU", s[0]))
                return take_numeric_escape(s, word, ret_length, reterr);
        *reterr = "unknown escape; write two backslashes for one, or one of "
                  "\\a \\b \\f \\n \\r \\t \\v \\\\ \\\" \\' \\s \\xHH \\NNN \\uXXXX \\UXXXXXXXX";
        return -EINVAL;
}

/* Reads the word at *s, which is no blank, and moves *s behind it. */
static int take_word(const char *begin, const char **s, Text *word, WordsError *reterr) {
        const char *p = *s, *opened = NULL;
        char quote = '\0';
        int r;

        for (; *p != '\0' && (quote || !strchr(BLANKS, *p));) {
                size_t length = 1;

                if (*p == '\\') {
                        r = take_escape(p + 1, word, &length, &reterr->message);
                        if (r < 0) {
                                reterr->offset = (size_t) (p - begin);
                                return r;
                        }
                        length++;
                } else if (quote ? *p == quote : (*p == '"' || *p == '\'')) {
                        quote = quote ? '\0' : *p;
                        opened = p;
                } else {
                        length = quote ? strcspn(p, quote == '"' ? "\"\\" : "'\\")
                                       : strcspn(p, BLANKS "\"'\\");
                        text_add_bytes(word, p, length);
                }
                p += length;
        }
        if (quote) {
                *reterr = (WordsError){
                        "a quote is not closed; close it, or write \\\" or \\' for a plain one",
                        (size_t) (opened - begin)
                };
                return -EINVAL;
        }
        if (word->size > 0 && utf8_valid_prefix(word->data, word->size) != word->size) {
                *reterr = (WordsError){ "the escapes of a word make bytes that are not UTF-8; use \\uXXXX",
                                        (size_t) (*s - begin) };
                return -EINVAL;
        }
        *s = p;
        return 0;
}

typedef struct Words {
        char **list;
        size_t n, room;
} Words;

static void words_done(Words *w) {
        strv_free(w->list);
}

/* Takes word. */
static int words_add(Words *w, char *word) {
        if (w->n + 1 >= w->room) {
                size_t room = w->room > 0 ? w->room * 2 : 8;
                char **grown = reallocarray(w->list, room, sizeof(char *));

                if (!grown) {
                        free(word);
                        return -ENOMEM;
                }
                w->list = grown;
                w->room = room;
        }
        w->list[w->n++] = word;
        w->list[w->n] = NULL;
        return 0;
}

int words_split(const char *s, char ***ret, WordsError *reterr) {
        _cleanup_(words_done) Words words = { 0 };
        const char *p = s;
        int r;

        for (;;) {
                _cleanup_text_ Text word = { 0 };
                char *taken;

                p += strspn(p, BLANKS);
                if (*p == '\0')
                        break;
                r = take_word(s, &p, &word, reterr);
                if (r < 0)
                        return r;
                r = text_take(&word, &taken, NULL);
                if (r < 0)
                        return r;
                r = words_add(&words, taken);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(words.list);
        return 0;
}
