/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/copy.h"
#include "helper/files/file-verbs.h"
#include "helper/text/print.h"
#include "helper/text/printable.h"
#include "helper/verbs/verbs.h"

/* berth file list, search, move, copy: directories and what is in them. */

#define DEPTH_MAX       256
#define MATCHES_DEFAULT 200
#define LINE_MAX_SHOWN  2000 /* bytes of a line that are told */
#define BINARY_LOOK     8192 /* a NUL among the first of these is no text */

/* -- list -- */

static void add_link(json_object *object, int dir_fd, const char *name) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

        if (n >= 0)
                file_add_name(object, "target", target, (size_t) n);
}

static void print_entry(int dir_fd, const char *name, const struct stat *st) {
        static const char letters[] = "?pc?d?b?-?l?s???";
        char target[PATH_MAX];
        ssize_t n = S_ISLNK(st->st_mode) ? readlinkat(dir_fd, name, target, sizeof(target) - 1) : -1;

        printf("%c%04o %6u %6u %12lld  %s", letters[st->st_mode >> 12 & 15], st->st_mode & 07777, st->st_uid,
               st->st_gid, (long long) st->st_size, shown(name).text);
        if (n >= 0) {
                target[n] = '\0';
                printf(" -> %s", shown(target).text);
        }
        putchar('\n');
}

/* What vanishes while it is listed is not there. */
static int list_entry(FileCall *call, int dir_fd, const char *name, json_object *array) {
        json_object *object;
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : file_fail_path(call, "list", errno, name);
        if (!array) {
                print_entry(dir_fd, name, &st);
                return 0;
        }
        object = json_object_new_object();
        file_add_name(object, "name", name, strlen(name));
        file_add_stat(object, &st);
        if (S_ISLNK(st.st_mode))
                add_link(object, dir_fd, name);
        return json_append(array, object) < 0 ? log_oom() : 0;
}

static int list_into(FileCall *call, const char *path, const Place *place, json_object *array) {
        _cleanup_strv_ char **names = NULL;
        int fd = place_open_directory(place), r;

        if (fd == -ENOTDIR)
                return list_entry(call, place->dir_fd, place->name, array);
        if (fd < 0)
                return file_fail_path(call, "open", fd, path);
        r = directory_names(fd, ".", 0, NULL, &names);
        if (r < 0)
                r = file_fail_path(call, "list", r, path);
        for (char **name = names; r >= 0 && name && *name; name++)
                r = list_entry(call, fd, *name, array);
        close_fd(fd);
        return r;
}

int file_list(FileCall *call) {
        const char *path = call->words->operands[1] ? call->words->operands[1] : "/";
        _cleanup_place_ Place place = PLACE_NONE;
        json_object *object, *array;
        int r;

        r = file_find(call, path, PLACE_FOLLOW, &place);
        if (r < 0)
                return r;
        if (!call->json)
                return list_into(call, path, &place, NULL);
        object = json_object_new_object();
        array = json_object_new_array();
        file_add_name(object, "path", path, strlen(path));
        json_object_object_add(object, "entries", array);
        r = list_into(call, path, &place, array);
        if (r >= 0)
                return file_print(object);
        json_object_put(object);
        return r;
}

/* -- search -- */

typedef struct Search {
        FileCall *call;
        const char *text;
        size_t length;
        const char *glob; /* of names, or with a slash of paths below where it began; NULL: all */
        bool ignore_case, truncated;
        uint64_t matches, max, files, skipped;
        json_object *array;
} Search;

static int lower(unsigned char c) {
        return c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
}

static bool line_has(const Search *search, const char *line, size_t n) {
        if (!search->ignore_case)
                return memmem(line, n, search->text, search->length) != NULL;
        for (size_t i = 0; i + search->length <= n; i++) {
                size_t k = 0;

                while (k < search->length &&
                       lower((unsigned char) line[i + k]) == lower((unsigned char) search->text[k]))
                        k++;
                if (k == search->length)
                        return true;
        }
        return false;
}

static int tell_match(Search *search, const char *path, uint64_t number, const char *line, size_t n) {
        json_object *object;

        n = MIN(n, (size_t) LINE_MAX_SHOWN);
        search->matches++;
        if (!search->array) {
                printf("%s:%" PRIu64 ":", shown(path).text, number);
                print_disarmed(line, n);
                putchar('\n');
                return 0;
        }
        object = json_object_new_object();
        file_add_name(object, "path", path, strlen(path));
        json_object_object_add(object, "line", json_object_new_uint64(number));
        file_add_name(object, "text", line, n);
        return json_append(search->array, object) < 0 ? log_oom() : 0;
}

static int search_lines(Search *search, const char *path, const char *s, size_t size) {
        uint64_t number = 1;
        int r = 0;

        for (const char *line = s, *end; line < s + size && r >= 0; line = end + 1, number++) {
                end = memchr(line, '\n', size - (size_t) (line - s));
                if (!end)
                        end = s + size;
                if (!line_has(search, line, (size_t) (end - line)))
                        continue;
                if (search->matches >= search->max) {
                        search->truncated = true;
                        return 0;
                }
                r = tell_match(search, path, number, line, (size_t) (end - line));
        }
        return r;
}

/* Files that may not be read, that are no text or too large are counted and left out. */
static int search_file(Search *search, const Place *place, const char *path) {
        _cleanup_free_ char *content = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        size_t size = 0;
        int r;

        fd = place_open_file(&search->call->inside, place, &st);
        r = fd < 0 ? fd : read_fd(fd, search->call->max_size, &content, &size);
        if (r < 0 || memchr(content, '\0', MIN(size, (size_t) BINARY_LOOK))) {
                search->skipped++;
                return r == -ENOMEM ? log_oom() : 0;
        }
        search->files++;
        return search_lines(search, path, content, size);
}

static bool is_wanted(const Search *search, const char *name, const char *below) {
        if (!search->glob)
                return true;
        return fnmatch(search->glob, strchr(search->glob, '/') ? below : name, FNM_PERIOD) == 0;
}

static int search_directory(Search *search, int fd, const char *path, size_t start, unsigned depth);

static int search_entry(Search *search, int dir_fd, const char *name, const char *directory, size_t start,
                        unsigned depth) {
        _cleanup_place_ Place place = PLACE_NONE;
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s/%s", streq(directory, "/") ? "" : directory, name) < 0)
                return log_oom();
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0; /* gone */
        if (S_ISDIR(st.st_mode)) {
                int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

                if (fd >= 0 && depth < DEPTH_MAX)
                        return search_directory(search, fd, path, start, depth + 1);
                close_fd(fd);
                search->skipped++;
                return 0;
        }
        if (!S_ISREG(st.st_mode) || !is_wanted(search, name, path + start))
                return 0;
        place.dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
        if (place.dir_fd < 0)
                return file_fail_path(search->call, "search", errno, path);
        snprintf(place.name, sizeof(place.name), "%s", name);
        return search_file(search, &place, path);
}

/* Consumes fd. */
static int search_directory(Search *search, int fd, const char *path, size_t start, unsigned depth) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_close_ int own_fd = fd;
        int r;

        r = directory_names(fd, ".", 0, NULL, &names);
        if (r < 0)
                return file_fail_path(search->call, "search", r, path);
        for (char **name = names; r >= 0 && name && *name && !search->truncated; name++)
                r = search_entry(search, own_fd, *name, path, start, depth);
        return r;
}

static int search_path(Search *search, const char *path) {
        _cleanup_place_ Place place = PLACE_NONE;
        _cleanup_free_ char *plain = strdup(path);
        size_t n = strlen(path);
        int r, fd;

        if (!plain)
                return log_oom();
        while (n > 1 && plain[n - 1] == '/')
                plain[--n] = '\0';
        r = file_find(search->call, path, PLACE_FOLLOW, &place);
        if (r < 0)
                return r;
        fd = place_open_directory(&place);
        if (fd == -ENOTDIR)
                return search_file(search, &place, path);
        if (fd < 0)
                return file_fail_path(search->call, "open", fd, path);
        return search_directory(search, fd, plain, n > 1 ? n + 1 : 1, 0);
}

int file_search(FileCall *call) {
        const char *max = subverb_value(call->words, FILE_MAX), *path = call->words->operands[2];
        Search search = {
                .call = call,
                .text = call->words->operands[1],
                .length = strlen(call->words->operands[1]),
                .glob = subverb_value(call->words, FILE_GLOB),
                .ignore_case = subverb_has(call->words, FILE_IGNORE_CASE),
                .max = MATCHES_DEFAULT,
        };
        json_object *object;
        int r;

        if (search.length == 0)
                return file_fail(call, "options", EINVAL, "the text to search is empty");
        if (max && (parse_uint64(max, &search.max) < 0 || search.max == 0))
                return file_fail(call, "options", EINVAL, "--max=%s: expected a number above zero", max);
        if (!call->json) {
                r = search_path(&search, path);
                if (r >= 0 && search.truncated)
                        log_warning("there are more than %" PRIu64 " matches (--max=)", search.max);
                return r;
        }
        object = json_object_new_object();
        search.array = json_object_new_array();
        json_object_object_add(object, "matches", search.array);
        r = search_path(&search, path);
        json_object_object_add(object, "truncated", json_object_new_boolean(search.truncated));
        json_object_object_add(object, "files", json_object_new_uint64(search.files));
        json_object_object_add(object, "skipped", json_object_new_uint64(search.skipped));
        if (r >= 0)
                return file_print(object);
        json_object_put(object);
        return r;
}

/* -- move and copy -- */

static int print_pair(FileCall *call, const char *from, const char *to, const Place *place) {
        json_object *object;
        struct stat st;

        if (!call->json)
                return 0;
        object = json_object_new_object();
        file_add_name(object, "from", from, strlen(from));
        file_add_name(object, "path", to, strlen(to));
        if (fstatat(place->dir_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                file_add_stat(object, &st);
        return file_print(object);
}

static int refuse_existing(FileCall *call, const Place *place, const char *path) {
        struct stat st;

        if (fstatat(place->dir_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        if (S_ISDIR(st.st_mode))
                return file_fail(call, "write", EISDIR, "'%s' is a directory; name the file in it", path);
        if (subverb_has(call->words, FILE_FORCE))
                return 0;
        return file_fail(call, "write", EEXIST, "'%s' is there already (--force replaces it)", path);
}

/* A copy belongs to whom the file belongs to. */
static int copy_to(FileCall *call, const char *from, const Place *source, const char *to,
                   const Place *place) {
        _cleanup_replacement_ Replacement replacement = REPLACEMENT_NONE;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        fd = place_open_file(&call->inside, source, &st);
        if (fd < 0)
                return fd == -EISDIR ? file_fail(call, "open", fd,
                                                 "'%s' is a directory; copy it with berth cp", from)
                                     : file_fail_path(call, "open", fd, from);
        r = replacement_begin(&call->inside, place, NULL, &replacement);
        if (r >= 0) {
                replacement.uid = st.st_uid;
                replacement.gid = st.st_gid;
                replacement.model_fd = fd;
                r = copy_data(fd, replacement.fd);
        }
        if (r >= 0)
                r = replacement_commit(&replacement, call->set_mode ? call->mode : st.st_mode & 0777,
                                       call->set_mode, NULL);
        return r < 0 ? file_fail_path(call, "write", r, to) : 0;
}

int file_copy(FileCall *call) {
        const char *from = call->words->operands[1], *to = call->words->operands[2];
        _cleanup_place_ Place source = PLACE_NONE, place = PLACE_NONE;
        int r;

        r = file_find(call, from, PLACE_FOLLOW, &source);
        if (r >= 0)
                r = file_find(call, to, PLACE_FOLLOW | PLACE_MAKE, &place);
        if (r >= 0)
                r = refuse_existing(call, &place, to);
        if (r >= 0)
                r = copy_to(call, from, &source, to, &place);
        return r < 0 ? r : print_pair(call, from, to, &place);
}

/* To another mount there is no renaming: a file is copied, and removed when the copy is there. */
static int move_far(FileCall *call, const char *from, const Place *source, const char *to,
                    const Place *place) {
        struct stat st;
        int r;

        if (fstatat(source->dir_fd, source->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return file_fail(call, "move", EXDEV,
                                 "'%s' cannot be moved to another mount; copy it with berth cp", from);
        r = copy_to(call, from, source, to, place);
        if (r < 0)
                return r;
        return unlinkat(source->dir_fd, source->name, 0) < 0 ? file_fail_path(call, "move", errno, from) : 0;
}

int file_move(FileCall *call) {
        const char *from = call->words->operands[1], *to = call->words->operands[2];
        unsigned flags = subverb_has(call->words, FILE_FORCE) ? 0 : RENAME_NOREPLACE;
        _cleanup_place_ Place source = PLACE_NONE, place = PLACE_NONE;
        struct stat st;
        int r;

        /* The link itself is what has the name. */
        r = file_find(call, from, 0, &source);
        if (r >= 0 && fstatat(source.dir_fd, source.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                r = file_fail_path(call, "move", errno, from);
        if (r >= 0)
                r = file_find(call, to, PLACE_MAKE, &place);
        if (r >= 0)
                r = refuse_existing(call, &place, to);
        if (r < 0)
                return r;
        if (renameat2(source.dir_fd, source.name, place.dir_fd, place.name, flags) < 0)
                r = errno == EXDEV ? move_far(call, from, &source, to, &place)
                                   : file_fail_path(call, "move", errno, from);
        return r < 0 ? r : print_pair(call, from, to, &place);
}
