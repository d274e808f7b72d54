/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/files/file-verbs.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/json-text.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/utf8.h"
#include "helper/container/known.h"
#include "helper/text/hold.h"
#include "helper/verbs/verbs.h"

/* What the verbs of "berth file" share: words in and out, and the way from a path to bytes and back. */

/* -- telling -- */

static void add_base64(json_object *object, const char *name, const char *s, size_t size) {
        char *text = malloc(JSON_BASE64_MAX(size));
        size_t n = text ? json_base64(s, size, text) : 0;

        if (n > 0) /* without the quotes */
                json_object_object_add(object, name, json_object_new_string_len(text + 1, (int) n - 2));
        free(text);
}

void file_add_content(json_object *object, const char *s, size_t size) {
        bool text = utf8_valid_prefix(s, size) == size;

        if (text)
                json_object_object_add(object, "content", json_object_new_string_len(s, (int) size));
        else
                add_base64(object, "content", s, size);
        json_object_object_add(object, "encoding", json_object_new_string(text ? "utf-8" : "base64"));
}

void file_add_name(json_object *object, const char *name, const char *s, size_t size) {
        static const char unknown[] = "\xEF\xBF\xBD"; /* U+FFFD */
        _cleanup_free_ char *text = NULL, *encoded = NULL;
        size_t valid = utf8_valid_prefix(s, size), room;
        FILE *f;

        if (valid == size) {
                json_object_object_add(object, name, json_object_new_string_len(s, (int) size));
                return;
        }
        f = open_memstream(&text, &room);
        if (!f)
                return;
        for (size_t i = 0;; i += valid + 1) {
                valid = utf8_valid_prefix(s + i, size - i);
                fwrite(s + i, 1, valid, f);
                if (i + valid >= size)
                        break;
                fputs(unknown, f);
        }
        if (fclose(f) != 0)
                return;
        json_object_object_add(object, name, json_object_new_string_len(text, (int) room));
        if (asprintf(&encoded, "%s_base64", name) >= 0)
                add_base64(object, encoded, s, size);
}

static const char *kind_of(mode_t mode) {
        switch (mode & S_IFMT) {
        case S_IFREG:
                return "file";
        case S_IFDIR:
                return "directory";
        case S_IFLNK:
                return "link";
        case S_IFIFO:
                return "fifo";
        case S_IFSOCK:
                return "socket";
        default:
                return "device";
        }
}

void file_add_stat(json_object *object, const struct stat *st) {
        char mode[8], time[64];
        struct tm tm;

        json_object_object_add(object, "type", json_object_new_string(kind_of(st->st_mode)));
        json_object_object_add(object, "size", json_object_new_int64(st->st_size));
        snprintf(mode, sizeof(mode), "%04o", st->st_mode & 07777);
        json_object_object_add(object, "mode", json_object_new_string(mode));
        json_object_object_add(object, "uid", json_object_new_int64(st->st_uid));
        json_object_object_add(object, "gid", json_object_new_int64(st->st_gid));
        if (gmtime_r(&st->st_mtim.tv_sec, &tm) &&
            strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
                json_object_object_add(object, "modified", json_object_new_string(time));
}

int file_print(json_object *object) {
        const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE);
        int r = text && puts(text) >= 0 ? 0 : log_oom();

        json_object_put(object);
        return r;
}

static void print_error(FileCall *call, const char *stage, int error, const char *message) {
        json_object *object = json_object_new_object(), *inner = json_object_new_object();
        const char *name = strerrorname_np(abs(error));

        json_object_object_add(inner, "stage", json_object_new_string(stage));
        json_object_object_add(inner, "errno", json_object_new_string(name ? name : "EIO"));
        file_add_name(inner, "message", message, strlen(message));
        if (call->details) {
                json_object_object_foreach(call->details, key, value) {
                        json_object_object_add(inner, key, json_object_get(value));
                }
        }
        json_object_object_add(object, "error", inner);
        (void) file_print(object);
}

int file_fail(FileCall *call, const char *stage, int error, const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list ap;
        int r;

        errno = abs(error); /* for %m */
        va_start(ap, format);
        r = vasprintf(&message, format, ap);
        va_end(ap);
        if (r < 0) {
                message = NULL;
                return log_oom();
        }
        call->usage = streq(stage, "options");
        (void) log_error_errno(error, "%s: %s", call->name, message);
        if (call->json)
                print_error(call, stage, error, message);
        return -abs(error);
}

int file_fail_path(FileCall *call, const char *stage, int error, const char *path) {
        switch (abs(error)) {
        case EISDIR:
                return file_fail(call, stage, error, "'%s' is a directory", path);
        case EINVAL:
                return file_fail(call, stage, error, "'%s' is no regular file", path);
        case EBUSY:
                return file_fail(call, stage, error,
                                 "'%s' is a mount of its own, which cannot be replaced; change its source",
                                 path);
        case EREMOTE:
                return file_fail(call, stage, error, PLACE_MOUNTED, path);
        case ESTALE:
                return file_fail(call, stage, error,
                                 "'%s' was changed by somebody else meanwhile; try again", path);
        case EFBIG:
                return file_fail(call, stage, error, "'%s' is larger than %llu bytes (--max-size=)", path,
                                 (unsigned long long) call->max_size);
        case EROFS:
                return file_fail(call, stage, error, "'%s' is on a read-only mount", path);
        default:
                return file_fail(call, stage, error, "'%s': %m", path);
        }
}

/* -- bytes -- */

int file_find(FileCall *call, const char *path, unsigned flags, Place *ret) {
        int r = place_find(&call->inside, path, flags, ret);

        return r < 0 ? file_fail_path(call, "find", r, path) : 0;
}

int file_load(FileCall *call, const char *path, Place *ret_place, char **ret, size_t *ret_size,
              struct stat *ret_stat) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = file_find(call, path, PLACE_FOLLOW, ret_place);
        if (r < 0)
                return r;
        fd = place_open_file(&call->inside, ret_place, ret_stat);
        if (fd < 0)
                return file_fail_path(call, "open", fd, path);
        /* Sizes of files that the kernel makes are not to be trusted, and others may grow. */
        r = read_fd(fd, call->max_size, ret, ret_size);
        return r < 0 ? file_fail_path(call, "read", r, path) : 0;
}

int file_store(FileCall *call, const char *path, const Place *place, const FilePart *parts, size_t n,
               const struct stat *expected) {
        _cleanup_replacement_ Replacement replacement = REPLACEMENT_NONE;
        json_object *object;
        struct stat st;
        int r;

        r = replacement_begin(&call->inside, place, expected, &replacement);
        if (r < 0)
                return file_fail_path(call, "write", r, path);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = write_fd(replacement.fd, parts[i].data, parts[i].size);
        if (r >= 0)
                r = replacement_commit(&replacement, call->mode, call->set_mode, &st);
        if (r < 0)
                return file_fail_path(call, "write", r, path);
        if (!call->json)
                return 0;
        object = json_object_new_object();
        json_object_object_add(object, "path", json_object_new_string(path));
        json_object_object_add(object, "created", json_object_new_boolean(!replacement.exists));
        file_add_stat(object, &st);
        return file_print(object);
}

static int read_input(FileCall *call) {
        int r = read_fd(STDIN_FILENO, call->max_size, &call->input, &call->input_size);

        if (r == -EFBIG)
                return file_fail(call, "input", r, "standard input is more than %llu bytes (--max-size=)",
                                 (unsigned long long) call->max_size);
        return r < 0 ? file_fail(call, "input", r, "standard input cannot be read: %m") : 0;
}

/* -- the way in -- */

/* Which of the verbs work on which operands is in their rows; here all but the container's name are paths, and the
 * pattern of a search. */
static int check_paths(FileCall *call) {
        bool search = streq(call->words->subverb->name, "search");

        for (char **operand = call->words->operands + 1 + search; operand[-1] && *operand; operand++)
                if (**operand != '/')
                        return file_fail(call, "options", EINVAL,
                                         "'%s' is not absolute; paths inside begin with '/'", *operand);
        return 0;
}

static int check_options(FileCall *call) {
        const char *size = subverb_value(call->words, FILE_MAX_SIZE),
                   *mode = subverb_value(call->words, FILE_MODE),
                   *after = subverb_value(call->words, FILE_AFTER);

        /* what a user of the gate reads and writes is in root's memory */
        if (size && (parse_size(size, &call->max_size) < 0 ||
                     call->max_size > (hold_for_user() ? FILE_SIZE_DEFAULT : FILE_SIZE_MAX)))
                return file_fail(call, "options", EINVAL, "--max-size=%s: expected bytes, at most %s", size,
                                 hold_for_user() ? "16M; root has up to 1G" : "1G");
        call->set_mode = mode != NULL;
        if (mode && parse_mode(mode, &call->mode) < 0)
                return file_fail(call, "options", EINVAL,
                                 "--mode=%s: expected three or four octal digits up to 0777", mode);
        if (streq(call->words->subverb->name, "insert") && (!after || parse_uint64(after, &call->after) < 0))
                return file_fail(call, "options", EINVAL,
                                 "--after=%s: expected the number of a line, 0 for the beginning",
                                 after ? after : "");
        return check_paths(call);
}

static int enter(FileCall *call, InsidePurpose purpose) {
        int r = inside_enter(call->name, subverb_value(call->words, FILE_USER), purpose, &call->inside);

        if (r < 0 && call->json)
                print_error(call, "enter", r,
                            r == -ESRCH    ? "the container is not running, and has kept no files"
                            : r == -ENOENT ? "there is no such container"
                                           : strerror(-r));
        return r < 0 ? (r == -ENOENT  ? EXIT_NO_SUCH
                        : r == -ESRCH ? EXIT_NOT_RUNNING
                                      : EXIT_FAILED)
                     : EXIT_DONE;
}

typedef struct FileVerb {
        InsidePurpose purpose;
        bool input; /* standard input is what it is about */
        int (*run)(FileCall *call);
} FileVerb;

static int run(const SubverbCall *words, const FileVerb *verb) {
        _cleanup_hold_ Hold hold = HOLD_NONE;
        FileCall call = {
                .words = words,
                .name = words->operands[0],
                .json = subverb_has(words, FILE_JSON),
                .max_size = FILE_SIZE_DEFAULT,
                .mode = 0644,
                .inside = INSIDE_NONE,
        };
        int r, status;

        if (check_options(&call) < 0)
                return EXIT_USAGE;
        /* For a container that there is not, nobody has to type; entering it is what says so. */
        if (verb->input && !subverb_has(words, FILE_OLD) && known_container(call.name) &&
            read_input(&call) < 0)
                return call.usage ? EXIT_USAGE : EXIT_FAILED;
        if (verb->purpose == INSIDE_WRITE)
                hold_begin(&hold);
        status = enter(&call, verb->purpose);
        if (status == EXIT_DONE) {
                r = verb->run(&call);
                status = r >= 0 ? EXIT_DONE : call.usage ? EXIT_USAGE : EXIT_FAILED;
        }
        inside_done(&call.inside);
        json_object_put(call.details);
        free(call.input);
        return status;
}

#define VERB(name, ...)                                                            \
        static int run_##name(const SubverbCall *words) {                          \
                return run(words, &(FileVerb){ __VA_ARGS__, .run = file_##name }); \
        }

VERB(read, INSIDE_READ)
VERB(write, INSIDE_WRITE, .input = true)
VERB(append, INSIDE_WRITE, .input = true)
VERB(replace, INSIDE_WRITE, .input = true)
VERB(insert, INSIDE_WRITE, .input = true)
VERB(move, INSIDE_WRITE)
VERB(copy, INSIDE_WRITE)
VERB(search, INSIDE_READ)
VERB(list, INSIDE_READ)

/* clang-format off */
static const SubverbFunction functions[] = {
        { "read",    run_read },
        { "write",   run_write },
        { "append",  run_append },
        { "replace", run_replace },
        { "insert",  run_insert },
        { "move",    run_move },
        { "copy",    run_copy },
        { "search",  run_search },
        { "list",    run_list },
};
/* clang-format on */

int verb_file(int argc _unused_, char *argv[]) {
        return subverbs_run(verb_find("file"), argv, functions, ARRAY_LEN(functions));
}
