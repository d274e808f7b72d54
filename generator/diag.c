/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/diag.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/strv.h"
#include "common/utf8.h"

void diags_done(Diags *d) {
        for (size_t i = 0; i < d->n; i++)
                free(d->list[i].message);
        free(d->list);
        strv_free(d->files);
        *d = (Diags){ 0 };
}

/* Takes message. */
static void diags_keep(Diags *d, Diag diag) {
        if ((d->n & (d->n + 1)) == 0) { /* room is the power of two above n */
                Diag *grown = reallocarray(d->list, (d->n + 1) * 2, sizeof(Diag));

                if (!grown) {
                        free(diag.message);
                        d->failed = true;
                        return;
                }
                d->list = grown;
        }
        d->list[d->n++] = diag;
}

void diag_add(Diags *d, DiagLevel level, unsigned line, unsigned column, const char *format, ...) {
        Diag diag = { .level = level, .line = line, .column = column, .order = d->order++ };
        char message[DIAG_MESSAGE_MAX];
        va_list ap;
        int n;

        if (level == DIAG_ERROR)
                d->errors++;
        else
                d->warnings++;
        if (d->n >= DIAG_KEPT_MAX)
                return;
        va_start(ap, format);
        n = vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        if (n >= (int) sizeof(message)) {
                size_t keep = utf8_valid_prefix(message, sizeof(message) - 4);

                memcpy(message + keep, "...", 4);
        }
        diag.message = strdup(n < 0 ? "cannot be described" : message);
        if (!diag.message) {
                d->failed = true;
                return;
        }
        diags_keep(d, diag);
}

static int compare_diags(const void *a, const void *b) {
        const Diag *x = a, *y = b;

        if (x->line != y->line)
                return x->line < y->line ? -1 : 1;
        return x->order < y->order ? -1 : x->order > y->order;
}

void diags_sort(Diags *d) {
        if (d->n > 1)
                qsort(d->list, d->n, sizeof(Diag), compare_diags);
}

const char *diags_path(const Diags *d, unsigned line) {
        return d->files[place_file(line)];
}

const char *diag_place_into(const Diags *d, unsigned line, unsigned from,
                            char buffer[static DIAG_PLACE_SIZE]) {
        bool same = place_file(line) == place_file(from);
        int n;

        n = snprintf(buffer, DIAG_PLACE_SIZE, "line %u%s%s", place_line(line), same ? "" : " of ",
                     same ? "" : diags_path(d, line));
        if (n >= DIAG_PLACE_SIZE)
                memcpy(buffer + utf8_valid_prefix(buffer, DIAG_PLACE_SIZE - 4), "...", 4);
        return buffer;
}

const char *diag_clip_into(const char *s, size_t n, char buffer[static DIAG_CLIP_SIZE]) {
        size_t keep = n;

        if (n >= DIAG_CLIP_SIZE)
                keep = utf8_valid_prefix(s, DIAG_CLIP_SIZE - 4);
        memcpy(buffer, s, keep);
        memcpy(buffer + keep, keep < n ? "..." : "", keep < n ? 4 : 1);
        return buffer;
}
