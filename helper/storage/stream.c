/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "common/log.h"
#include "helper/storage/acl.h"
#include "helper/text/printable.h"

#define READ_SIZE      ((size_t) 256 * 1024)
#define BLOCK_SIZE     512 /* of tar */
#define ATTRIBUTES_MAX 64

/* Two readers of libarchive, one behind the other: the first unpacks, the second reads tar. So the digest and the
 * number of what is unpacked are taken between them. */
typedef struct Stream {
        const StreamSource *source;
        struct archive *packed; /* format "raw": the bytes of what it unpacks to */
        struct archive *tar;
        Hash *hash_packed, *hash_unpacked; /* NULL: not wanted */
        char *buffer;
        uint64_t n_packed, n_unpacked;
        unsigned char tail[BLOCK_SIZE]; /* the last of what was unpacked */
        bool at_end;
        char *acls[2]; /* of the entry at hand */
        bool acl_warned;
        int error; /* of one of our own callbacks, logged; libarchive would only say that something failed */
} Stream;

static void stream_done(Stream *s) {
        archive_read_free(s->tar);
        archive_read_free(s->packed);
        hash_free(s->hash_packed);
        hash_free(s->hash_unpacked);
        free(s->buffer);
        free(s->acls[0]);
        free(s->acls[1]);
}
#define _cleanup_stream_ _cleanup_(stream_done)

/* What libarchive says may hold names out of the archive. */
static int archive_failed(Stream *s, struct archive *a, const char *doing) {
        const char *said = archive_error_string(a);

        if (s->error < 0)
                return s->error;
        progress_clear(s->source->progress);
        return log_error_errno(EBADMSG, "%s: cannot %s: %s", s->source->what, doing,
                               shown(said ? said : "it is damaged or cut off").text);
}

/* The bytes as they are on disk. Returns 0 at the end. */
static la_ssize_t read_packed(struct archive *a _unused_, void *userdata, const void **ret) {
        Stream *s = userdata;
        ssize_t n;

        do
                n = read(s->source->fd, s->buffer, READ_SIZE);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                s->error = log_error_errno(errno, "%s: cannot read: %m", s->source->what);
                return -1;
        }
        s->n_packed += (uint64_t) n;
        if (s->n_packed > s->source->size) {
                s->error = log_error_errno(EBADMSG,
                                           "%s: is more than the %" PRIu64 " bytes that it is to have",
                                           s->source->what, s->source->size);
                return -1;
        }
        if (s->hash_packed)
                hash_update(s->hash_packed, s->buffer, (size_t) n);
        progress_add(s->source->progress, (uint64_t) n);
        *ret = s->buffer;
        return n;
}

static void keep_tail(Stream *s, const unsigned char *data, size_t n) {
        if (n >= BLOCK_SIZE) {
                memcpy(s->tail, data + n - BLOCK_SIZE, BLOCK_SIZE);
                return;
        }
        memmove(s->tail, s->tail + n, BLOCK_SIZE - n);
        memcpy(s->tail + BLOCK_SIZE - n, data, n);
}

/* The bytes that they unpack to. Returns 0 at the end. */
static la_ssize_t read_unpacked(struct archive *a _unused_, void *userdata, const void **ret) {
        Stream *s = userdata;
        la_int64_t offset;
        size_t n = 0;
        int k;

        while (!s->at_end && n == 0) {
                k = archive_read_data_block(s->packed, ret, &n, &offset);
                if (k == ARCHIVE_EOF)
                        s->at_end = true;
                else if (k != ARCHIVE_OK) {
                        s->error = archive_failed(s, s->packed, "unpack");
                        return -1;
                }
        }
        if (s->at_end)
                return 0;
        if (n > *s->source->budget) {
                s->error = log_error_errno(
                                EFBIG,
                                "%s: far more bytes unpacked than its files may have, refused (--max-size=)",
                                s->source->what);
                return -1;
        }
        *s->source->budget -= n;
        s->n_unpacked += n;
        if (s->hash_unpacked)
                hash_update(s->hash_unpacked, *ret, n);
        keep_tail(s, *ret, n);
        return (la_ssize_t) n;
}

/* ARCHIVE_WARN would mean that it is to be unpacked by a program: we run none. */
static int open_packed(Stream *s) {
        struct archive_entry *entry;
        struct archive *a;
        int k;

        s->buffer = malloc(READ_SIZE);
        a = s->packed = archive_read_new();
        if (!a || !s->buffer)
                return log_oom();
        if (archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
            archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
            archive_read_support_filter_xz(a) != ARCHIVE_OK ||
            archive_read_support_format_raw(a) != ARCHIVE_OK ||
            archive_read_support_format_empty(a) != ARCHIVE_OK)
                return log_error_errno(EOPNOTSUPP,
                                       "this libarchive cannot read gzip, zstd and xz by itself");
        if (archive_read_open(a, s, NULL, read_packed, NULL) != ARCHIVE_OK)
                return archive_failed(s, a, "unpack");
        /* A few bytes of gzip in gzip in gzip keep a processor busy for years without giving a byte. */
        if (archive_filter_count(a) > 2)
                return log_error_errno(EBADMSG, "%s: compressed more than once, refused", s->source->what);
        k = archive_read_next_header(a, &entry);
        if (k == ARCHIVE_EOF)
                s->at_end = true;
        else if (k != ARCHIVE_OK)
                return archive_failed(s, a, "unpack");
        return 0;
}

static int open_tar(Stream *s) {
        s->tar = archive_read_new();
        s->acls[0] = malloc(ACL_SIZE_MAX);
        s->acls[1] = malloc(ACL_SIZE_MAX);
        if (!s->tar || !s->acls[0] || !s->acls[1])
                return log_oom();
        if (archive_read_support_format_tar(s->tar) != ARCHIVE_OK ||
            archive_read_support_format_empty(s->tar) != ARCHIVE_OK)
                return log_oom();
        if (archive_read_open(s->tar, s, NULL, read_unpacked, NULL) != ARCHIVE_OK)
                return archive_failed(s, s->tar, "read it as tar (plain or compressed by gzip, zstd or xz)");
        return 0;
}

static int write_content(Extract *x, int fd, void *userdata) {
        Stream *s = userdata;

        for (;;) {
                la_int64_t offset;
                const void *data;
                size_t n;
                int k, r;

                k = archive_read_data_block(s->tar, &data, &n, &offset);
                if (k == ARCHIVE_EOF)
                        return 0;
                if (k != ARCHIVE_OK)
                        return archive_failed(s, s->tar, "read on");
                if (n == 0)
                        continue;
                r = extract_write(x, fd, data, n, (uint64_t) offset);
                if (r < 0)
                        return r;
        }
}

/* What names users by their names only can mean anybody here. */
static void warn_of_names(Stream *s, const char *path) {
        if (s->acl_warned)
                return;
        s->acl_warned = true;
        progress_clear(s->source->progress);
        log_warning("%s: '%s': its access list names users without their numbers (tar has --numeric-owner); these "
                    "lines are left out, and all others with them",
                    s->source->what, shown(path).text);
}

/* Access lists have a place of their own in tar, and are attributes here as for the kernel. */
static int translate_acls(Stream *s, struct archive_entry *e, const char *path, ExtractAttribute *attributes,
                          size_t *n) {
        static const char *const names[] = { ACL_ACCESS, ACL_DEFAULT };

        if ((archive_entry_acl_types(e) & ARCHIVE_ENTRY_ACL_TYPE_POSIX1E) == 0)
                return 0;
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                size_t size = 0;
                int r;

                r = acl_unpack(e, names[i], s->acls[i], &size);
                if (r < 0)
                        return log_error_errno(r, "%s: '%s': its access list: %m", s->source->what,
                                               shown(path).text);
                if (r > 0)
                        warn_of_names(s, path);
                if (size > 0)
                        attributes[(*n)++] = (ExtractAttribute){ names[i], s->acls[i], size };
        }
        return 0;
}

/* What tar knows of owners and times of another width is taken as it is: what cannot be is refused later. */
static int translate(Stream *s, struct archive_entry *e, ExtractAttribute *attributes, ExtractEntry *ret) {
        size_t n = 0;
        int r;

        *ret = (ExtractEntry){
                .path = archive_entry_pathname(e),
                .mode = archive_entry_filetype(e) | archive_entry_perm(e),
                .uid = (uint64_t) archive_entry_uid(e),
                .gid = (uint64_t) archive_entry_gid(e),
                .size = (uint64_t) archive_entry_size(e),
                .target = archive_entry_symlink(e),
                .hardlink = archive_entry_hardlink(e),
                .attributes = attributes,
        };
        if (archive_entry_mtime_is_set(e))
                ret->mtime = (struct timespec){ archive_entry_mtime(e), archive_entry_mtime_nsec(e) };
        if (!ret->path)
                return log_error_errno(EBADMSG, "%s: an entry whose name cannot be read", s->source->what);
        if (archive_entry_xattr_count(e) > ATTRIBUTES_MAX)
                return log_error_errno(E2BIG, "%s: '%s': more than %d attributes, refused", s->source->what,
                                       shown(ret->path).text, ATTRIBUTES_MAX);
        archive_entry_xattr_reset(e);
        while (n < ATTRIBUTES_MAX && archive_entry_xattr_next(e, &attributes[n].name, &attributes[n].value,
                                                              &attributes[n].size) == ARCHIVE_OK)
                n++;
        r = translate_acls(s, e, ret->path, attributes, &n);
        ret->n_attributes = n;
        return r;
}

static int extract_all(Stream *s, Extract *x) {
        for (;;) {
                ExtractAttribute attributes[ATTRIBUTES_MAX + 2]; /* and two access lists */
                struct archive_entry *e;
                ExtractEntry entry;
                int k, r;

                k = archive_read_next_header(s->tar, &e);
                if (k == ARCHIVE_EOF)
                        return 0;
                /* A warning is a name or a number that it could not make sense of: an archive that is not what it
                 * seems. */
                if (k != ARCHIVE_OK)
                        return archive_failed(s, s->tar, "read it as tar");
                r = translate(s, e, attributes, &entry);
                if (r >= 0)
                        r = extract_entry(x, &entry, write_content, s);
                if (r < 0)
                        return r;
        }
}

/* What stands behind the archive's end is part of the digests. */
static int drain(Stream *s) {
        const void *data;
        la_ssize_t n;

        do
                n = read_unpacked(NULL, s, &data);
        while (n > 0);
        if (n < 0)
                return s->error;
        do
                n = read_packed(NULL, s, &data);
        while (n > 0);
        return n < 0 ? s->error : 0;
}

static int check_end(const Stream *s) {
        static const unsigned char zeros[BLOCK_SIZE];

        if (s->source->size != UINT64_MAX && s->n_packed != s->source->size)
                return log_error_errno(EBADMSG,
                                       "%s: is %" PRIu64 " bytes, not the %" PRIu64 " that it is to have",
                                       s->source->what, s->n_packed, s->source->size);
        if (s->source->end_marker && (s->n_unpacked < 2 * BLOCK_SIZE || s->n_unpacked % BLOCK_SIZE != 0 ||
                                      memcmp(s->tail, zeros, BLOCK_SIZE) != 0))
                return log_error_errno(EBADMSG,
                                       "%s: does not end as a tar archive does; it is cut off or damaged",
                                       s->source->what);
        return 0;
}

int stream_extract_tar(const StreamSource *source, Extract *x, StreamDigests *ret_digests) {
        _cleanup_stream_ Stream s = { .source = source };
        int r;

        if (ret_digests) {
                s.hash_packed = hash_new();
                s.hash_unpacked = hash_new();
                if (!s.hash_packed || !s.hash_unpacked)
                        return log_oom();
        }
        r = open_packed(&s);
        if (r >= 0)
                r = open_tar(&s);
        if (r >= 0)
                r = extract_all(&s, x);
        if (r >= 0)
                r = drain(&s);
        progress_clear(source->progress);
        if (r >= 0)
                r = check_end(&s);
        if (r < 0)
                return r;
        if (ret_digests) {
                hash_finish(s.hash_packed, &ret_digests->packed);
                hash_finish(s.hash_unpacked, &ret_digests->unpacked);
        }
        return 0;
}
