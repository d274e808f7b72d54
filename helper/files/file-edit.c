/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/files/file-verbs.h"
#include "helper/verbs/verbs.h"

/* berth file read, write, append, replace, insert: one file, read whole and written whole. */

/* Lines as editors count them: what stands behind the last line break is one more, if there is anything. */
static uint64_t count_lines(const char *s, size_t size) {
        uint64_t n = size > 0 && s[size - 1] != '\n';

        for (const char *p = s; (p = memchr(p, '\n', size - (size_t) (p - s))); p++)
                n++;
        return n;
}

/* Where line number (from 1) begins; the end, if there are fewer. */
static size_t find_line(const char *s, size_t size, uint64_t number) {
        const char *p = s;

        for (; number > 1; number--) {
                p = memchr(p, '\n', size - (size_t) (p - s));
                if (!p)
                        return size;
                p++;
        }
        return (size_t) (p - s);
}

/* FROM[:TO], from 1 on. */
static int parse_lines(const char *text, uint64_t *ret_from, uint64_t *ret_to) {
        _cleanup_free_ char *from = strndup(text, strcspn(text, ":"));
        const char *colon = strchr(text, ':');

        if (!from)
                return -ENOMEM;
        *ret_to = UINT64_MAX;
        if (parse_uint64(from, ret_from) < 0 || *ret_from == 0 ||
            (colon && (parse_uint64(colon + 1, ret_to) < 0 || *ret_to < *ret_from)))
                return -EINVAL;
        return 0;
}

static int print_content(FileCall *call, const char *s, size_t size) {
        if (fwrite(s, 1, size, stdout) == size)
                return 0;
        return file_fail(call, "output", errno, "cannot write to standard output: %m");
}

int file_read(FileCall *call) {
        const char *path = call->words->operands[1], *lines = subverb_value(call->words, FILE_LINES);
        _cleanup_free_ char *content = NULL;
        _cleanup_place_ Place place = PLACE_NONE;
        uint64_t from = 1, to = UINT64_MAX, total;
        size_t size, begin, end;
        json_object *object;
        struct stat st;
        int r;

        if (lines && parse_lines(lines, &from, &to) < 0)
                return file_fail(call, "options", EINVAL, "--lines=%s: expected FROM or FROM:TO, from 1 on",
                                 lines);
        r = file_load(call, path, &place, &content, &size, &st);
        if (r < 0)
                return r;
        total = count_lines(content, size);
        to = MIN(to, total);
        begin = find_line(content, size, from);
        end = to < total ? find_line(content, size, to + 1) : size;
        end = MAX(begin, end);
        if (!call->json) {
                if (lines)
                        log_info("lines %llu to %llu of %llu", (unsigned long long) MIN(from, total + 1),
                                 (unsigned long long) to, (unsigned long long) total);
                return print_content(call, content + begin, end - begin);
        }
        object = json_object_new_object();
        file_add_name(object, "path", path, strlen(path));
        file_add_content(object, content + begin, end - begin);
        json_object_object_add(object, "first_line", json_object_new_uint64(from));
        json_object_object_add(object, "last_line", json_object_new_uint64(to));
        json_object_object_add(object, "total_lines", json_object_new_uint64(total));
        file_add_stat(object, &st);
        return file_print(object);
}

static FilePart input_of(const FileCall *call) {
        return (FilePart){ call->input, call->input_size };
}

/* The container was made when this was past the place for it. */
static int input_missing(FileCall *call) {
        return file_fail(call, "input", EAGAIN, "container '%s' has only just been made; try again",
                         call->name);
}

int file_write(FileCall *call) {
        const char *path = call->words->operands[1];
        _cleanup_place_ Place place = PLACE_NONE;
        const FilePart part = input_of(call);
        int r;

        r = part.data ? file_find(call, path, PLACE_FOLLOW | PLACE_MAKE, &place) : input_missing(call);
        return r < 0 ? r : file_store(call, path, &place, &part, 1, NULL);
}

static int check_size(FileCall *call, const char *path, size_t size) {
        return size > call->max_size ? file_fail_path(call, "write", EFBIG, path) : 0;
}

int file_append(FileCall *call) {
        const char *path = call->words->operands[1];
        _cleanup_free_ char *content = NULL;
        _cleanup_place_ Place place = PLACE_NONE;
        FilePart parts[2] = { {}, input_of(call) };
        struct stat st;
        int r;

        r = call->input ? file_find(call, path, PLACE_FOLLOW | PLACE_MAKE, &place) : input_missing(call);
        if (r < 0)
                return r;
        if (fstatat(place.dir_fd, place.name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
                return file_store(call, path, &place, &parts[1], 1, NULL);
        place_done(&place);
        r = file_load(call, path, &place, &content, &parts[0].size, &st);
        if (r >= 0)
                r = check_size(call, path, parts[0].size + parts[1].size);
        parts[0].data = content;
        return r < 0 ? r : file_store(call, path, &place, parts, ARRAY_LEN(parts), &st);
}

int file_insert(FileCall *call) {
        const char *path = call->words->operands[1], *more = call->input;
        _cleanup_free_ char *content = NULL;
        _cleanup_place_ Place place = PLACE_NONE;
        size_t size, more_size = call->input_size, at;
        uint64_t number = call->after, total;
        struct stat st;
        int r;

        r = more ? 0 : input_missing(call);
        if (r >= 0)
                r = file_load(call, path, &place, &content, &size, &st);
        if (r >= 0)
                r = check_size(call, path, size + more_size + 2);
        if (r < 0)
                return r;
        total = count_lines(content, size);
        if (number > total)
                return file_fail(call, "edit", ERANGE, "'%s' has %llu lines, none after which %llu would be",
                                 path, (unsigned long long) total, (unsigned long long) number);
        at = number < total ? find_line(content, size, number + 1) : size;
        {
                /* Whole lines, whatever breaks are missing. */
                const bool unended = at > 0 && content[at - 1] != '\n';
                const FilePart parts[] = {
                        { content, at },
                        { "\n", unended },
                        { more, more_size },
                        { "\n", more_size > 0 && more[more_size - 1] != '\n' && !(unended && at == size) },
                        { content + at, size - at },
                };

                return file_store(call, path, &place, parts, ARRAY_LEN(parts), &st);
        }
}

/* One of several replacements. */
typedef struct Edit {
        const char *old, *new; /* NUL-terminated: what stands in a line can be said in one */
} Edit;

typedef struct Edits {
        Edit *items;
        size_t n;
        json_object *document; /* that they borrow from, or NULL */
} Edits;

static void edits_done(Edits *edits) {
        free(edits->items);
        json_object_put(edits->document);
}

/* From --old= and --new=, in pairs. */
static int read_pairs(FileCall *call, Edits *edits) {
        char *const *old = subverb_values(call->words, FILE_OLD), *const *new = subverb_values(call->words,
                                                                                               FILE_NEW);
        size_t n = strv_length(old);

        if (n != strv_length(new))
                return file_fail(call, "options", EINVAL, "as many --new= are needed as there are --old=");
        edits->items = calloc(n, sizeof(Edit));
        if (!edits->items)
                return log_oom();
        for (; edits->n < n; edits->n++)
                edits->items[edits->n] = (Edit){ old[edits->n], new[edits->n] };
        return 0;
}

static const char *get_text(json_object *edit, const char *name) {
        json_object *value;

        if (!json_object_object_get_ex(edit, name, &value) || !json_object_is_type(value, json_type_string))
                return NULL;
        /* a NUL cannot be in it */
        return strlen(json_object_get_string(value)) == (size_t) json_object_get_string_len(value)
                               ? json_object_get_string(value)
                               : NULL;
}

/* From standard input: [{"old": TEXT, "new": TEXT}, ...]. */
static int read_document(FileCall *call, Edits *edits) {
        if (!call->input)
                return input_missing(call);
        edits->document = json_tokener_parse(call->input);
        if (!edits->document || !json_object_is_type(edits->document, json_type_array))
                return file_fail(
                                call, "input", EBADMSG,
                                "without --old=, standard input is to be [{\"old\": TEXT, \"new\": TEXT}, ...]");
        edits->items = calloc(json_object_array_length(edits->document) + 1, sizeof(Edit));
        if (!edits->items)
                return log_oom();
        for (; edits->n < json_object_array_length(edits->document); edits->n++) {
                json_object *item = json_object_array_get_idx(edits->document, edits->n);
                Edit edit = { get_text(item, "old"), get_text(item, "new") };

                if (!edit.old || !edit.new)
                        return file_fail(
                                        call, "input", EBADMSG,
                                        "replacement %zu has no \"old\" and \"new\" that are text without NUL",
                                        edits->n + 1);
                edits->items[edits->n] = edit;
        }
        return edits->n > 0 ? 0 : file_fail(call, "input", EBADMSG, "no replacement is given");
}

/* Places that overlap count as well: which of them was meant cannot be told. */
static size_t count_text(const char *s, size_t size, const char *text, const char **ret_first) {
        size_t n = 0, length = strlen(text);

        for (const char *p = s; (p = memmem(p, size - (size_t) (p - s), text, length)); p++)
                if (n++ == 0)
                        *ret_first = p;
        return n;
}

static int apply_edit(FileCall *call, const char *path, const Edit *edit, size_t number, char **content,
                      size_t *size) {
        size_t old = strlen(edit->old), new = strlen(edit->new), n, before;
        const char *first = NULL;
        char *next;

        if (old == 0)
                return file_fail(call, "edit", EINVAL, "replacement %zu: the old text is empty", number);
        n = count_text(*content, *size, edit->old, &first);
        if (n != 1) {
                call->details = json_object_new_object();
                json_object_object_add(call->details, "text", json_object_new_string(edit->old));
                json_object_object_add(call->details, "count", json_object_new_uint64(n));
                json_object_object_add(call->details, "replacement", json_object_new_uint64(number));
                return file_fail(call, "edit", n == 0 ? ENODATA : ENOTUNIQ,
                                 "'%s': replacement %zu: the text stands there %zu times, not once: %s",
                                 path, number, n, edit->old);
        }
        if (*size - old + new > call->max_size)
                return file_fail_path(call, "edit", EFBIG, path);
        next = malloc(*size - old + new + 1);
        if (!next)
                return log_oom();
        before = (size_t) (first - *content);
        memcpy(next, *content, before);
        memcpy(next + before, edit->new, new);
        memcpy(next + before + new, first + old, *size - before - old + 1);
        free(*content);
        *content = next;
        *size = *size - old + new;
        return 0;
}

int file_replace(FileCall *call) {
        const char *path = call->words->operands[1];
        _cleanup_(edits_done) Edits edits = {};
        _cleanup_free_ char *content = NULL;
        _cleanup_place_ Place place = PLACE_NONE;
        FilePart part;
        struct stat st;
        size_t size;
        int r;

        r = subverb_has(call->words, FILE_OLD) ? read_pairs(call, &edits) : read_document(call, &edits);
        if (r >= 0)
                r = file_load(call, path, &place, &content, &size, &st);
        for (size_t i = 0; r >= 0 && i < edits.n; i++)
                r = apply_edit(call, path, &edits.items[i], i + 1, &content, &size);
        if (r < 0)
                return r;
        part = (FilePart){ content, size };
        return file_store(call, path, &place, &part, 1, &st);
}
