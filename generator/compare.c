/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/compare.h"

#include "common/strv.h"

#define CONTEXT 3
#define CELLS_MAX \
        (16U * 1024 * 1024) /* of the table of lengths; what is larger is shown as replaced whole */

typedef struct Edit {
        char kind; /* ' ', '-', '+' */
        const char *line;
} Edit;

typedef struct Edits {
        Edit *list;
        size_t n;
} Edits;

int compare_split(const char *text, char ***ret) {
        _cleanup_strv_ char **lines = NULL;

        while (*text) {
                size_t n = strcspn(text, "\n");
                int r = strv_consume(&lines, strndup(text, n));

                if (r < 0)
                        return r;
                text += n + (text[n] == '\n');
        }
        *ret = TAKE_PTR(lines);
        return 0;
}

static void add(Edits *e, char kind, const char *line) {
        e->list[e->n++] = (Edit){ kind, line };
}

/* The edits between, by the longest common subsequence. a and b begin and end differently. 0 or -ENOMEM. */
static int between(Edits *e, char *const *a, size_t n, char *const *b, size_t m) {
        _cleanup_free_ uint32_t *length = NULL; /* of rows i.. and columns j.. */
        size_t width = m + 1, i = 0, j = 0;

        if (n > 0 && m > 0 && (n + 1) <= CELLS_MAX / width) {
                length = calloc((n + 1) * width, sizeof(uint32_t));
                if (!length)
                        return -ENOMEM;
                for (size_t x = n; x-- > 0;)
                        for (size_t y = m; y-- > 0;)
                                length[x * width + y] = streq(a[x], b[y])
                                                                        ? length[(x + 1) * width + y + 1] + 1
                                                                        : MAX(length[(x + 1) * width + y],
                                                                              length[x * width + y + 1]);
        }
        while (length && i < n && j < m) {
                if (streq(a[i], b[j])) {
                        add(e, ' ', a[i++]);
                        j++;
                } else if (length[(i + 1) * width + j] >= length[i * width + j + 1])
                        add(e, '-', a[i++]);
                else
                        add(e, '+', b[j++]);
        }
        while (i < n)
                add(e, '-', a[i++]);
        while (j < m)
                add(e, '+', b[j++]);
        return 0;
}

/* Writes the hunk of edits first..end; a and b are the lines before it. */
static void add_hunk(Text *t, const Edits *e, size_t first, size_t end, size_t a, size_t b) {
        size_t removed = 0, added = 0;

        for (size_t i = first; i < end; i++) {
                removed += e->list[i].kind != '+';
                added += e->list[i].kind != '-';
        }
        /* Of no lines, diff(1) names the one before. */
        text_addf(t, "@@ -%zu,%zu +%zu,%zu @@\n", a + (removed > 0), removed, b + (added > 0), added);
        for (size_t i = first; i < end; i++)
                text_addf(t, "%c%s\n", e->list[i].kind, e->list[i].line);
}

static void add_hunks(Text *t, const Edits *e) {
        size_t a = 0, b = 0; /* lines before "at" */

        for (size_t at = 0; at < e->n;) {
                size_t change = at, first, end, same = 0;

                while (change < e->n && e->list[change].kind == ' ')
                        change++;
                if (change == e->n)
                        return;
                first = change - at > CONTEXT ? change - CONTEXT : at;
                for (end = change; end < e->n && same <= 2 * CONTEXT; end++)
                        same = e->list[end].kind == ' ' ? same + 1 : 0;
                if (same > CONTEXT)
                        end -= same - CONTEXT;
                a += first - at;
                b += first - at;
                add_hunk(t, e, first, end, a, b);
                for (size_t i = first; i < end; i++) {
                        a += e->list[i].kind != '+';
                        b += e->list[i].kind != '-';
                }
                at = end;
        }
}

int compare_lines(Text *t, char *const *a, char *const *b) {
        static char *const none[] = { NULL };
        size_t n = strv_length(a), m = strv_length(b), head = 0, tail = 0;
        Edits e = { 0 };
        int r;

        a = a ? a : none;
        b = b ? b : none;
        while (head < n && head < m && streq(a[head], b[head]))
                head++;
        while (tail < n - head && tail < m - head && streq(a[n - 1 - tail], b[m - 1 - tail]))
                tail++;
        e.list = calloc(n + m + 1, sizeof(Edit));
        if (!e.list)
                return -ENOMEM;
        for (size_t i = 0; i < head; i++)
                add(&e, ' ', a[i]);
        r = between(&e, a + head, n - head - tail, b + head, m - head - tail);
        for (size_t i = n - tail; r >= 0 && i < n; i++)
                add(&e, ' ', a[i]);
        if (r >= 0)
                add_hunks(t, &e);
        free(e.list);
        return r < 0 ? r : t->failed ? -ENOMEM : 0;
}
