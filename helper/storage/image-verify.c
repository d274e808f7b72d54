/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/log.h"
#include "helper/storage/image-disk.h"
#include "helper/storage/image-verbs.h"
#include "helper/storage/listing.h"
#include "helper/storage/store.h"
#include "helper/text/print.h"
#include "helper/text/printable.h"

/* berth image verify: what is on disk against the listing that import made. The listing's own digest stands in the
 * record, so that an accident to either is told from a change of the tree; whoever can write to the store can write
 * all three, and verify is no guard against that. */

#define DIFFERENCES_MAX 20

static void close_filep(FILE **f) {
        if (*f)
                fclose(*f);
}
#define _cleanup_file_ _cleanup_(close_filep)

static FILE *open_stream(int fd, const char *mode) {
        FILE *f = fd < 0 ? NULL : fdopen(fd, mode);

        if (!f)
                close_fd(fd);
        return f;
}

/* Beside the image, or in memory where the file system has no files without a name. */
static int open_scratch(int dir_fd) {
        int fd = openat(dir_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

        return fd < 0 ? memfd_create("listing", MFD_CLOEXEC) : fd;
}

static int hash_stream(FILE *f, Digest *ret) {
        _cleanup_hash_ Hash *hash = hash_new();
        char buffer[65536];
        size_t n;

        if (!hash)
                return log_oom();
        while ((n = fread(buffer, 1, sizeof(buffer), f)) > 0)
                hash_update(hash, buffer, n);
        if (ferror(f))
                return log_error_errno(EIO, "cannot read the listing");
        hash_finish(hash, ret);
        rewind(f);
        return 0;
}

/* The digest that the record has by that name. */
static int read_digest(const char *id, int entry_fd, const char *key, Digest *ret) {
        _cleanup_json_ json_object *record = NULL;
        const char *text;
        int r;

        r = store_read_json(entry_fd, "record.json", &record);
        text = r < 0 ? NULL : store_get_string(record, key);
        if (!text || digest_parse(text, ret) < 0)
                return log_error_errno(EBADMSG, "image '%s': its record is damaged, import it anew", id);
        return 0;
}

/* The digest that the record has of the listing, against the listing. */
static int check_listing(const char *id, int entry_fd, FILE *listing, Digest *ret) {
        Digest wanted, is;
        int r;

        r = read_digest(id, entry_fd, "listing", &wanted);
        if (r >= 0)
                r = hash_stream(listing, &is);
        if (r < 0)
                return r;
        if (!digest_equal(&wanted, &is))
                return log_error_errno(EBADMSG, "image '%s': its listing is damaged, import it anew", id);
        *ret = is;
        return 0;
}

/* Returns the number of differences. */
static int compare(const char *id, int entry_fd, bool quiet) {
        ListingOptions options = { .what = id };
        _cleanup_close_ int root_fd = -EBADF;
        _cleanup_file_ FILE *wanted = NULL, *found = NULL;
        Digest wanted_digest, found_digest;
        Progress progress;
        int r;

        wanted = open_stream(openat(entry_fd, "listing", O_RDONLY | O_NOFOLLOW | O_CLOEXEC), "r");
        found = open_stream(open_scratch(entry_fd), "w+");
        root_fd = openat(entry_fd, "root", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (!wanted || !found || root_fd < 0)
                return log_error_errno(errno, "image '%s': cannot be read: %m", id);
        r = check_listing(id, entry_fd, wanted, &wanted_digest);
        if (r < 0)
                return r;
        progress_begin(&progress, id, 0);
        options.progress = &progress;
        r = listing_make(root_fd, &options, found, &found_digest);
        if (r < 0 || digest_equal(&wanted_digest, &found_digest))
                return r < 0 ? r : 0;
        rewind(found);
        r = listing_compare(wanted, found, quiet ? 0 : DIFFERENCES_MAX);
        return r < 0 ? r : MAX(r, 1);
}

/* A disk image has no listing: it is its digest. */
static int compare_disk(const char *id, int entry_fd, int root_fd) {
        Digest wanted, is;
        int r;

        r = read_digest(id, entry_fd, "digest", &wanted);
        if (r >= 0)
                r = image_disk_digest(root_fd, id, -EBADF, &is);
        return r < 0 ? r : !digest_equal(&wanted, &is);
}

static int compare_any(const char *id, int entry_fd, bool quiet) {
        _cleanup_close_ int fd = openat(entry_fd, "root", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return log_error_errno(errno, "image '%s': cannot be read: %m", id);
        return S_ISREG(st.st_mode) ? compare_disk(id, entry_fd, fd) : compare(id, entry_fd, quiet);
}

static int verify(const SubverbCall *call) {
        _cleanup_store_image_ StoreImage image = {};
        _cleanup_store_ Store store = STORE_NONE;
        _cleanup_close_ int entry_fd = -EBADF;
        const char *id = call->operands[0];
        int r;

        directory_allow_depth();
        r = store_open(&store);
        if (r >= 0)
                r = store_look(&store, id, &image);
        if (r < 0)
                return EXIT_FAILED;
        if (image.kind == STORE_ABSENT)
                return store_refuse(&store, id);
        if (image.kind != STORE_IMPORTED) {
                log_error("image '%s': no import made it, there is nothing to compare it with", id);
                return EXIT_FAILED;
        }
        entry_fd = store_open_entry(&store, image.entry);
        if (entry_fd < 0) {
                log_error_errno(entry_fd, "image '%s': %m", id);
                return EXIT_FAILED;
        }
        r = compare_any(id, entry_fd, subverb_has(call, IMAGE_JSON));
        if (r < 0)
                return EXIT_FAILED;
        if (subverb_has(call, IMAGE_JSON))
                printf("{\n  \"id\": \"%s\",\n  \"differences\": %d\n}\n", id, r);
        if (r == 0)
                return EXIT_DONE;
        log_error("image '%s': is not what was imported", id);
        return EXIT_FAILED;
}

int image_verify(const SubverbCall *call) {
        return verify(call);
}
