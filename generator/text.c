/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/text.h"

#include <stdarg.h>
#include <stdio.h>

void text_done(Text *t) {
        free(t->data);
        *t = (Text){ 0 };
}

/* Makes room for n more bytes and a NUL. */
static bool text_reserve(Text *t, size_t n) {
        size_t room = t->room > 0 ? t->room : 256;
        char *grown;

        if (t->failed)
                return false;
        if (n < t->room - t->size)
                return true;
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

void text_add_bytes(Text *t, const char *s, size_t n) {
        if (!text_reserve(t, n))
                return;
        memcpy(t->data + t->size, s, n);
        t->size += n;
        t->data[t->size] = '\0';
}

void text_add(Text *t, const char *s) {
        text_add_bytes(t, s, strlen(s));
}

void text_addf(Text *t, const char *format, ...) {
        va_list ap, again;
        int n;

        va_start(ap, format);
        va_copy(again, ap);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n < 0)
                t->failed = true;
        else if (text_reserve(t, (size_t) n)) {
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
