/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/listing.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/directory.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/storage/archive-path.h"
#include "helper/storage/numbers.h"
#include "helper/text/printable.h"

#define READ_SIZE      ((size_t) 256 * 1024)
#define NAMES_SIZE_MAX 65536

typedef struct Listing {
        const ListingOptions *options;
        FILE *f;
        Numbers links; /* inodes with several names: the first of them */
        char *buffer, *names;
} Listing;

static int failed(const Listing *listing, int error, const char *path, const char *doing) {
        progress_clear(listing->options->progress);
        return log_error_errno(error, "%s: '%s': cannot %s: %m", listing->options->what, shown(path).text,
                               doing);
}

/* A tree may change under a verify: what was a file a moment ago is looked at again when it is open. */
static int hash_file(Listing *listing, int fd, const char *path, Digest *ret) {
        _cleanup_hash_ Hash *hash = hash_new();
        ssize_t n;

        if (!hash)
                return log_oom();
        while ((n = read(fd, listing->buffer, READ_SIZE)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed(listing, errno, path, "read");
                hash_update(hash, listing->buffer, (size_t) n);
                progress_add(listing->options->progress, (uint64_t) n);
        }
        hash_finish(hash, ret);
        return 0;
}

static void print_head(Listing *listing, char kind, const struct stat *st) {
        fprintf(listing->f, "%c %04o %u %u %lld.%09ld %lld ", kind, st->st_mode & 07777, st->st_uid,
                st->st_gid, (long long) st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
                S_ISREG(st->st_mode) ? (long long) st->st_size : 0LL);
}

static void print_tail(Listing *listing, const char *content, const char *path) {
        print_word(listing->f, content);
        putc_unlocked(' ', listing->f);
        print_word(listing->f, path);
        putc_unlocked('\n', listing->f);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int print_attribute(Listing *listing, int fd, const char *name, const char *path) {
        ssize_t n = fgetxattr(fd, name, listing->buffer, READ_SIZE);

        if (n < 0)
                return failed(listing, errno, path, "read its attributes");
        fputs(" x ", listing->f);
        print_word(listing->f, name);
        putc_unlocked(' ', listing->f);
        for (ssize_t i = 0; i < n; i++)
                fprintf(listing->f, "%02x", (unsigned char) listing->buffer[i]);
        putc_unlocked('\n', listing->f);
        return 0;
}

static int print_attributes(Listing *listing, int fd, const char *path) {
        _cleanup_strv_ char **kept = NULL;
        ssize_t n = flistxattr(fd, listing->names, NAMES_SIZE_MAX);
        int r = 0;

        if (n < 0)
                return errno == ENOTSUP ? 0 : failed(listing, errno, path, "read its attributes");
        for (const char *name = listing->names; name < listing->names + n; name += strlen(name) + 1)
                if (extract_keeps(name) && strv_append(&kept, name) < 0)
                        return log_oom();
        if (!kept)
                return 0;
        qsort(kept, strv_length(kept), sizeof(char *), compare_names);
        for (char **name = kept; r >= 0 && *name; name++)
                r = print_attribute(listing, fd, *name, path);
        return r;
}

static int list_file(Listing *listing, int dir_fd, const char *name, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        char text[DIGEST_TEXT_SIZE];
        const char *first;
        Digest digest;
        struct stat st;
        int r;

        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return failed(listing, errno, path, "open");
        if (!S_ISREG(st.st_mode))
                return failed(listing, ESTALE, path, "open what was a file a moment ago");
        first = st.st_nlink > 1 ? numbers_get(&listing->links, numbers_of_inode(st.st_dev, st.st_ino))
                                : NULL;
        if (first) {
                print_head(listing, 'h', &st);
                print_tail(listing, first, path);
                return 0;
        }
        if (st.st_nlink > 1 &&
            numbers_add(&listing->links, numbers_of_inode(st.st_dev, st.st_ino), path) < 0)
                return log_oom();
        r = hash_file(listing, fd, path, &digest);
        if (r < 0)
                return r;
        digest_format(&digest, text);
        print_head(listing, 'f', &st);
        print_tail(listing, strchr(text, ':') + 1, path);
        return print_attributes(listing, fd, path);
}

static int list_other(Listing *listing, int dir_fd, const char *name, const char *path,
                      const struct stat *st) {
        char target[PATH_MAX];
        ssize_t n;

        if (S_ISFIFO(st->st_mode)) {
                print_head(listing, 'p', st);
                print_tail(listing, "-", path);
                return 0;
        }
        if (!S_ISLNK(st->st_mode)) {
                /* import makes none, but somebody may have */
                print_head(listing, '?', st);
                print_tail(listing, "-", path);
                return 0;
        }
        n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
        if (n < 0)
                return failed(listing, errno, path, "read the link");
        target[n] = '\0';
        print_head(listing, 'l', st);
        print_tail(listing, target, path);
        return 0;
}

static int list_directory(Listing *listing, int dir_fd, const char *name, const char *path, unsigned depth);

static int list_entry(Listing *listing, int dir_fd, const char *name, const char *directory,
                      unsigned depth) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s/%s", directory, name) < 0)
                return log_oom();
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return failed(listing, errno, path, "look at it");
        if (S_ISDIR(st.st_mode))
                return list_directory(listing, dir_fd, name, path, depth + 1);
        if (S_ISREG(st.st_mode))
                return list_file(listing, dir_fd, name, path);
        return list_other(listing, dir_fd, name, path, &st);
}

static int list_directory(Listing *listing, int dir_fd, const char *name, const char *path, unsigned depth) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_strv_ char **names = NULL;
        struct stat st;
        int r;

        if (depth > ARCHIVE_DEPTH_MAX)
                return failed(listing, ELOOP, path, "go deeper");
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return failed(listing, errno, path, "open the directory");
        if (listing->options->times) {
                const char *below = startswith(path, "./");
                struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

                times[1] = extract_directory_time(listing->options->times, below ? below : path);
                if (futimens(fd, times) < 0)
                        return failed(listing, errno, path, "set its time");
                /* as the file system keeps it */
                if (fstat(fd, &st) < 0)
                        return failed(listing, errno, path, "look at it");
        }
        print_head(listing, 'd', &st);
        print_tail(listing, "-", path);
        r = print_attributes(listing, fd, path);
        if (r < 0)
                return r;
        r = directory_names(fd, ".", O_NOATIME, NULL, &names);
        if (r < 0)
                return failed(listing, r, path, "read the directory");
        for (char **child = names; r >= 0 && child && *child; child++)
                r = list_entry(listing, fd, *child, path, depth);
        return r;
}

/* Where the listing is written to: the file, and the hash on the way. */
typedef struct Tee {
        FILE *f;
        Hash *hash;
} Tee;

static ssize_t tee_write(void *cookie, const char *data, size_t size) {
        Tee *tee = cookie;

        hash_update(tee->hash, data, size);
        return fwrite(data, 1, size, tee->f) == size ? (ssize_t) size : 0;
}

static void close_filep(FILE **f) {
        if (*f)
                fclose(*f);
}

int listing_make(int root_fd, const ListingOptions *options, FILE *f, Digest *ret) {
        _cleanup_hash_ Hash *hash = hash_new();
        _cleanup_free_ char *buffer = malloc(READ_SIZE), *names = malloc(NAMES_SIZE_MAX);
        _cleanup_(close_filep) FILE *tee_file = NULL;
        Tee tee = { .f = f, .hash = hash };
        Listing listing = { .options = options, .buffer = buffer, .names = names };
        int r;

        if (!hash || !buffer || !names)
                return log_oom();
        tee_file = listing.f = fopencookie(&tee, "w", (cookie_io_functions_t){ .write = tee_write });
        if (!tee_file)
                return log_oom();
        fputs(LISTING_HEADING, listing.f);
        r = list_directory(&listing, root_fd, ".", ".", 0);
        numbers_done(&listing.links);
        progress_clear(options->progress);
        if (r < 0)
                return r;
        if (fflush(tee_file) != 0 || fflush(f) != 0)
                return log_error_errno(errno != 0 ? errno : EIO, "%s: cannot write the listing: %m",
                                       options->what);
        hash_finish(hash, ret);
        return 0;
}

/* One name's lines, its attributes' included. */
typedef struct Record {
        FILE *f;
        char *text, *line; /* line: read ahead, the next record's first */
        size_t text_size, line_size;
        char *fields[8];
        const char *rest; /* attributes */
} Record;

static void record_done(Record *record) {
        free(record->text);
        free(record->line);
}
#define _cleanup_record_ _cleanup_(record_done)

static int append_text(Record *record, const char *s) {
        size_t n = record->text ? strlen(record->text) : 0, m = strlen(s);

        if (n + m + 1 > record->text_size) {
                char *grown = realloc(record->text, (n + m + 1) * 2);

                if (!grown)
                        return log_oom();
                record->text = grown;
                record->text_size = (n + m + 1) * 2;
        }
        memcpy(record->text + n, s, m + 1);
        return 0;
}

static int record_open(Record *record, FILE *f) {
        record->f = f;
        if (getline(&record->line, &record->line_size, f) < 0 || !streq(record->line, LISTING_HEADING))
                return log_error_errno(EBADMSG, "the listing is damaged");
        if (getline(&record->line, &record->line_size, f) < 0)
                record->line[0] = '\0';
        return 0;
}

/* Returns 1, or 0 at the end. */
static int record_next(Record *record) {
        char *p;
        int r;

        if (record->line[0] == '\0')
                return 0;
        if (record->text)
                record->text[0] = '\0';
        do {
                r = append_text(record, record->line);
                if (r < 0)
                        return r;
                if (getline(&record->line, &record->line_size, record->f) < 0)
                        record->line[0] = '\0';
        } while (record->line[0] == ' ');
        p = record->text;
        for (size_t i = 0; i < ARRAY_LEN(record->fields); i++) {
                size_t n = strcspn(p, " \n");

                if (p[n] != (i + 1 < ARRAY_LEN(record->fields) ? ' ' : '\n'))
                        return log_error_errno(EBADMSG, "the listing is damaged");
                record->fields[i] = p;
                p[n] = '\0';
                p += n + 1;
        }
        record->rest = p;
        return 1;
}

enum { KIND, MODE, UID, GID, MTIME, SIZE, CONTENT, NAME };

/* The next byte of an escaped name; a slash sorts before everything, as a directory's content follows it. */
static int next_byte(const char **p) {
        unsigned byte;

        if (**p == '\0')
                return -1;
        if (**p == '\\' && sscanf(*p, "\\x%2x", &byte) == 1) {
                *p += 4;
                return (int) byte;
        }
        return *(*p)++ == '/' ? 0 : (unsigned char) (*p)[-1];
}

static int compare_paths(const char *a, const char *b) {
        int x, y;

        do {
                x = next_byte(&a);
                y = next_byte(&b);
        } while (x == y && x >= 0);
        return x - y;
}

/* What differs between two records of the same name, as words; nothing if they are equal. */
static void describe(const Record *a, const Record *b, char ret[static 96]) {
        static const char *const words[] = { "kind", "mode", "owner", "group", "time", "size", "content" };
        char *to = ret;

        *to = '\0';
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (!streq(a->fields[i], b->fields[i]))
                        to = stpcpy(stpcpy(to, to == ret ? "" : ", "), words[i]);
        if (!streq(a->rest, b->rest))
                stpcpy(stpcpy(to, to == ret ? "" : ", "), "attributes");
}

int listing_compare(FILE *wanted_file, FILE *found_file, unsigned max) {
        _cleanup_record_ Record wanted = {}, found = {};
        unsigned n = 0;
        int x, y, r;

        r = record_open(&wanted, wanted_file);
        if (r >= 0)
                r = record_open(&found, found_file);
        x = r < 0 ? r : record_next(&wanted);
        y = r < 0 ? r : record_next(&found);
        while (x > 0 || y > 0) {
                int order = x <= 0   ? 1
                            : y <= 0 ? -1
                                     : compare_paths(wanted.fields[NAME], found.fields[NAME]);
                char what[96] = "";

                if (x < 0 || y < 0)
                        break;
                if (order == 0)
                        describe(&wanted, &found, what);
                if ((order != 0 || what[0]) && n++ < max) {
                        if (order == 0)
                                printf("changed %s (%s)\n", wanted.fields[NAME], what);
                        else
                                printf("%s %s\n", order < 0 ? "missing" : "added",
                                       order < 0 ? wanted.fields[NAME] : found.fields[NAME]);
                }
                if (order <= 0)
                        x = record_next(&wanted);
                if (order >= 0)
                        y = record_next(&found);
        }
        if (max > 0 && n > max)
                printf("and %u more\n", n - max);
        return x < 0 ? x : y < 0 ? y : (int) n;
}
