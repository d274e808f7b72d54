/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/text.h"

#include <stdarg.h>
#include <stdio.h>

void text_done(Text *t) {
        free(t->data);
        *t = (Text){ 0 };
}

static bool text_grow(Text *t, size_t n) {
        size_t room = t->room > 0 ? t->room : 256;
        char *grown;

        if (t->failed)
                return false;
        while (room - t->size <= n)
                if (__builtin_mul_overflow(room, (size_t) 2, &room)) {
                        t->failed = true;
                        return false;
                }
        grown = realloc(t->data, room);
        if (!grown) {
                t->failed = true;
                return false;
        }
        t->data = grown;
        t->room = room;
        return true;
}

/* Makes room for n more bytes and a NUL. */
static inline bool text_reserve(Text *t, size_t n) {
        return n < t->room - t->size || text_grow(t, n);
}

void text_add_bytes(Text *t, const char *s, size_t n) {
        if (!text_reserve(t, n))
                return;
        if (n > 0) /* of a text without any, s is NULL */
                memcpy(t->data + t->size, s, n);
        t->size += n;
        t->data[t->size] = '\0';
}

void text_add(Text *t, const char *s) {
        text_add_bytes(t, s, strlen(s));
}

void text_addf(Text *t, const char *format, ...) {
        size_t left = t->failed ? 0 : t->room - t->size;
        va_list ap, again;
        int n;

        va_start(ap, format);
        va_copy(again, ap);
        n = vsnprintf(left > 0 ? t->data + t->size : NULL, left, format, ap);
        va_end(ap);
        if (n < 0)
                t->failed = true;
        else if ((size_t) n < left)
                t->size += (size_t) n;
        else if (text_reserve(t, (size_t) n)) { /* it was cut: once more, with room */
                vsnprintf(t->data + t->size, (size_t) n + 1, format, again);
                t->size += (size_t) n;
        }
        va_end(again);
}

int text_take(Text *t, char **ret, size_t *ret_size) {
        text_add_bytes(t, "", 0); /* an empty text is a string too */
        if (t->failed)
                return -ENOMEM;
        if (ret_size)
                *ret_size = t->size;
        *ret = TAKE_PTR(t->data);
        t->size = t->room = 0;
        return 0;
}
