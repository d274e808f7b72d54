/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/lines.h"

#include "common/utf8.h"

#define BLANKS " \t"

/* A logical line while its physical lines are put together, in place: the result is never longer than they. */
typedef struct Logical {
        char *begin, *out; /* what there is so far */
        char *first;       /* where its first physical line begins */
        char *first_end;
        unsigned line; /* of the first one */
        bool open;     /* a backslash ended the last physical line */
        bool bad;      /* told already; read to its end and skip it */
} Logical;

void lines_open(Lines *l, char *data, size_t size) {
        static const char bom[] = { (char) 0xef, (char) 0xbb, (char) 0xbf };

        *l = (Lines){ .at = data, .end = data + size };
        if (size >= sizeof(bom) && memcmp(data, bom, sizeof(bom)) == 0)
                l->at += sizeof(bom);
}

/* Takes one physical line, without its end. false at the end of the file. */
static bool take_physical(Lines *l, char **ret, size_t *ret_size) {
        char *newline;
        size_t n;

        if (l->at == l->end)
                return false;
        newline = memchr(l->at, '\n', (size_t) (l->end - l->at));
        n = (size_t) ((newline ? newline : l->end) - l->at);
        *ret = l->at;
        l->at = newline ? newline + 1 : l->end;
        l->line++;
        if (n > 0 && (*ret)[n - 1] == '\r')
                n--;
        *ret_size = n;
        return true;
}

/* Is the physical line text? Tells if not. */
static bool check_physical(const Lines *l, const char *s, size_t n, Diags *diags) {
        const char *bad;
        size_t valid;

        if (n > LINES_LINE_MAX) {
                diag_error(diags, l->line, 1,
                           "the line is longer than 1 MiB, which systemd does not read; "
                           "split it or use EnvironmentFile=");
                return false;
        }
        bad = memchr(s, '\0', n);
        if (bad) {
                diag_error(diags, l->line, (unsigned) (bad - s) + 1, "the line holds a NUL byte; remove it");
                return false;
        }
        bad = memchr(s, '\r', n);
        if (bad) {
                diag_error(diags, l->line, (unsigned) (bad - s) + 1,
                           "a carriage return stands inside the line; end lines with LF or CR LF");
                return false;
        }
        valid = utf8_valid_prefix(s, n);
        if (valid < n) {
                diag_error(diags, l->line, (unsigned) valid + 1,
                           "the line is not valid UTF-8; save the file as UTF-8");
                return false;
        }
        return true;
}

/* Does an odd number of backslashes end the text? An even one is written ones. */
static bool continues(const char *s, size_t n) {
        size_t k = 0;

        while (k < n && s[n - 1 - k] == '\\')
                k++;
        return k % 2 == 1;
}

/* Adds a physical line to the logical one. It is no comment. */
static void logical_add(Logical *logical, const Lines *l, char *s, size_t n, bool good, Diags *diags) {
        size_t blanks = 0;

        while (blanks < n && strchr(BLANKS, s[blanks]) && s[blanks] != '\0')
                blanks++;
        if (!logical->begin)
                *logical = (Logical){ .begin = s + blanks,
                                      .out = s + blanks,
                                      .first = s,
                                      .first_end = s + n,
                                      .line = l->line };
        logical->bad = logical->bad || !good;
        logical->open = continues(s + blanks, n - blanks);
        if (logical->bad)
                return;
        memmove(logical->out, s + blanks, n - blanks);
        logical->out += n - blanks;
        if (logical->open)
                logical->out[-1] = ' '; /* systemd.syntax(7): the backslash is replaced by a space */
        if ((size_t) (logical->out - logical->begin) > LINES_LINE_MAX) {
                diag_error(diags, logical->line, 1,
                           "the line and its continuations are longer than 1 MiB, which "
                           "systemd does not read; split it or use EnvironmentFile=");
                logical->bad = true;
        }
}

/* Cuts blanks off the end of s..end, ends it there with NUL; returns where it begins behind blanks. The byte at
 * end is writable: what stood there has been looked at. */
static char *strip(char *s, char *end) {
        while (s < end && strchr(BLANKS, *s))
                s++;
        while (end > s && strchr(BLANKS, end[-1]))
                end--;
        *end = '\0';
        return s;
}

static unsigned column_of(const Logical *logical, const char *s) {
        return s >= logical->first && s <= logical->first_end ? (unsigned) (s - logical->first) + 1 : 1;
}

/* Sorts a whole logical line out. false: it was told to be wrong. */
static bool logical_split(const Logical *logical, char *text, char *end, Line *ret, Diags *diags) {
        char *eq, *close;

        ret->line = logical->line;
        ret->key_column = ret->value_column = column_of(logical, text);
        if (*text == '[') {
                close = end - 1;
                ret->kind = LINE_SECTION;
                ret->value = NULL;
                if (*close == ']' && strspn(text + 1, BLANKS "]") < strlen(text + 1)) {
                        ret->key = strip(text + 1, close);
                        return true;
                }
                /* Still a section: what follows belongs to no other. */
                diag_error(diags, ret->line, ret->key_column, "'%s' is no section; write [NAME]",
                           DIAG_CLIP(text));
                ret->key = end;
                return true;
        }
        eq = strchr(text, '=');
        if (!eq || eq == text) {
                diag_error(diags, ret->line, ret->key_column,
                           "'%s' is no setting; write KEY=VALUE, or # before "
                           "a comment",
                           DIAG_CLIP(text));
                return false;
        }
        ret->kind = LINE_SETTING;
        ret->value = strip(eq + 1, end);
        ret->key = strip(text, eq);
        ret->value_column = column_of(logical, ret->value);
        return true;
}

/* Reads one logical line of at least one physical one. false at the end of the file. */
static bool take_logical(Lines *l, Logical *ret, Diags *diags) {
        char *s;
        size_t n;

        *ret = (Logical){ 0 };
        while (take_physical(l, &s, &n)) {
                bool good = check_physical(l, s, n, diags);
                size_t blanks = 0;

                while (blanks < n && (s[blanks] == ' ' || s[blanks] == '\t'))
                        blanks++;
                /* Comments never continue, and one between continued lines is left out. */
                if (blanks < n && (s[blanks] == '#' || s[blanks] == ';'))
                        continue;
                logical_add(ret, l, s, n, good, diags);
                if (!ret->open)
                        return true;
        }
        if (ret->begin && !ret->bad) {
                diag_error(diags, l->line, 1,
                           "the file ends in a continued line; remove the last backslash");
                ret->bad = true;
        }
        return ret->begin;
}

void lines_next(Lines *l, Line *ret, Diags *diags) {
        Logical logical;

        while (take_logical(l, &logical, diags)) {
                char *text;

                if (logical.bad)
                        continue;
                /* The byte behind the text: of the file's last line the reader's NUL, else the line's end. */
                text = strip(logical.begin, logical.out);
                if (*text == '\0')
                        continue;
                if (logical_split(&logical, text, text + strlen(text), ret, diags))
                        return;
        }
        *ret = (Line){ .kind = LINE_END, .line = l->line };
}
