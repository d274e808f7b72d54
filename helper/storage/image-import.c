/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/clock.h"
#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/disk.h"
#include "helper/container/metadata.h"
#include "helper/storage/child.h"
#include "helper/storage/image-disk.h"
#include "helper/storage/image-fetch.h"
#include "helper/storage/image-source.h"
#include "helper/storage/image-verbs.h"
#include "helper/storage/sandbox.h"
#include "helper/storage/store.h"
#include "helper/storage/unpack.h"
#include "helper/text/print.h"
#include "helper/text/printable.h"
#include "helper/text/progress.h"

/* berth image import: the story of it. What the source holds is read in the sandbox, and nothing of that here. */

typedef struct Import {
        const SubverbCall *call;
        const char *said; /* what the source is called in the record */
        json_object *base; /* borrowed: what the image says of itself but for its digest; NULL: what is in the source */
        ExtractLimits limits;
        ImageSource source;
        char **names; /* the ID, then tags */
        Store store;
        StoreImport work;
        int source_fd, listing_fd, config_fd, signal_fd;
        int directory_fds[2];
        bool is_directory, is_disk;
        bool replaced;
        uint64_t started_usec;
        UnpackResult result;
} Import;

static void import_done(Import *import) {
        if (import->store.store_fd >= 0)
                store_abort(&import->store, &import->work);
        image_source_done(&import->source);
        strv_free(import->names);
        close_fd(import->source_fd);
        close_fd(import->listing_fd);
        close_fd(import->config_fd);
        close_fd(import->signal_fd);
        close_fd(import->directory_fds[0]);
        close_fd(import->directory_fds[1]);
        store_done(&import->store);
}

/* What messages call the source. What is made of a container is called so: where it is read is our own affair. */
static const char *called(const Import *import) {
        return import->base ? import->said : import->source.path;
}

static int add_name(Import *import, const char *id) {
        if (!store_id_valid(id))
                return log_error_errno(
                                EINVAL,
                                "'%s' cannot be an image's ID: a-z 0-9, then also . _ -, at most 128, and no "
                                "ending in .json or .env",
                                shown(id).text);
        if (strv_contains(import->names, id))
                return 0;
        return strv_append(&import->names, id) < 0 ? log_oom() : 0;
}

static int read_names(Import *import) {
        const char *name = subverb_value(import->call, IMAGE_NAME);
        const char *id = name ? name : import->source.id;
        char *const *tags = subverb_values(import->call, IMAGE_TAG);
        int r;

        if (!id)
                return log_error_errno(EINVAL, "%s: suggests no ID for the image; give it one: --name=ID",
                                       shown(called(import)).text);
        r = add_name(import, id);
        for (size_t i = 0; r >= 0 && tags && tags[i]; i++)
                r = add_name(import, tags[i]);
        return r;
}

static int wrong_value(const char *option, const char *value) {
        return log_error_errno(EINVAL, "--%s=%s: not a number that it can be", option, value);
}

static int read_limits(Import *import) {
        const char *size = subverb_value(import->call, IMAGE_MAX_SIZE);
        const char *entries = subverb_value(import->call, IMAGE_MAX_ENTRIES);
        ExtractLimits limits = { EXTRACT_ENTRIES_MAX, EXTRACT_BYTES_MAX };

        /* what a file's size can be at all */
        if (size && (parse_size(size, &limits.bytes) < 0 || limits.bytes > INT64_MAX))
                return wrong_value("max-size", size);
        if (entries && parse_uint64(entries, &limits.entries) < 0)
                return wrong_value("max-entries", entries);
        import->limits = limits;
        return 0;
}

/* What an import made is replaced by the next; what somebody put there only when he says so, and if nothing is lost
 * with it. */
static int check_replaceable(Import *import) {
        import->replaced = false;
        for (char **id = import->names; *id; id++) {
                _cleanup_store_image_ StoreImage image = {};
                char json[STORE_ENTRY_MAX];
                struct stat st;
                int r;

                r = store_look(&import->store, *id, &image);
                if (r < 0)
                        return r;
                import->replaced |= image.kind != STORE_ABSENT;
                if (image.kind == STORE_DIRECTORY || image.kind == STORE_FILE)
                        return log_error_errno(
                                        EEXIST,
                                        "image '%s' is a %s that no import made; move it away, or: berth image "
                                        "remove %s",
                                        *id, image.kind == STORE_FILE ? "disk image" : "directory", *id);
                snprintf(json, sizeof(json), "%s.json", *id);
                if (!subverb_has(import->call, IMAGE_FORCE) && image.kind == STORE_LINK)
                        return log_error_errno(
                                        EEXIST,
                                        "image '%s' is a link that no import made (--force replaces it)",
                                        *id);
                if (!subverb_has(import->call, IMAGE_FORCE) &&
                    fstatat(import->store.fd, json, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode))
                        return log_error_errno(EEXIST,
                                               "'%s' is a file that no import made (--force replaces it)",
                                               json);
        }
        return 0;
}

/* A copy of a directory into itself has no end. */
static int refuse_store(const Import *import, int fd) {
        _cleanup_close_ int at = openat(import->store.store_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct stat source, st;

        if (at < 0 || fstat(fd, &source) < 0)
                return log_error_errno(errno, "%s: %m", shown(called(import)).text);
        for (dev_t device = 0, inode = 0;;) {
                int up;

                if (fstat(at, &st) < 0)
                        return log_error_errno(errno, "cannot look at the store: %m");
                if (st.st_dev == source.st_dev && st.st_ino == source.st_ino)
                        return log_error_errno(EINVAL, "%s: the image store is in it",
                                               shown(called(import)).text);
                if (st.st_dev == device && st.st_ino == inode)
                        return 0; /* "/" is its own parent */
                device = st.st_dev;
                inode = st.st_ino;
                up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (up < 0)
                        return log_error_errno(errno, "cannot look at the store: %m");
                close_fd(at);
                at = up;
        }
}

/* The unit of a disk image is allowed loop devices by the image's name alone: see the decision on it. */
static int check_disk_names(const Import *import) {
        for (char **id = import->names; *id; id++) {
                if (import->is_disk && !image_is_disk(*id))
                        return log_error_errno(
                                        EINVAL,
                                        "%s: is a disk image, whose ID has to end in .raw, .squashfs or "
                                        ".erofs: --name=%s.raw",
                                        shown(called(import)).text, *id);
                if (!import->is_disk && image_is_disk(*id))
                        return log_error_errno(
                                        EINVAL,
                                        "%s: is no disk image, and '%s' is the ID of one; choose another: "
                                        "--name=ID",
                                        shown(called(import)).text, *id);
        }
        return 0;
}

/* docker://: an OCI layout of it, in our directory. */
static int fetch(Import *import) {
        _cleanup_free_ char *target = NULL;

        if (asprintf(&target, "oci:%s/images/.store/%s/root.1:image", BERTH_DATA_DIR, import->work.name) < 0)
                return log_oom();
        return image_fetch(import->source.path, target, import->signal_fd);
}

static int open_path(Import *import) {
        _cleanup_close_ int fd = -EBADF;
        const char *path = import->source.path;
        struct stat st;
        Disk disk;
        int r;

        fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return log_error_errno(errno, "%s: cannot be opened: %m", shown(path).text);
        if (S_ISBLK(st.st_mode))
                return log_error_errno(EINVAL, "%s: is a device; mount it, and import the directory",
                                       shown(path).text);
        if (!S_ISDIR(st.st_mode)) {
                import->is_disk = S_ISREG(st.st_mode) && !import->source.oci && !import->source.docker &&
                                  disk_look(fd, &disk) >= 0;
                import->source_fd = TAKE_FD(fd);
                return 0;
        }
        r = refuse_store(import, fd);
        if (r < 0)
                return r;
        import->is_directory = true;
        import->source_fd = sandbox_open_directory(fd, ".", /* read_only= */ true);
        return import->source_fd < 0 ? import->source_fd : 0;
}

static int open_source(Import *import) {
        int r;

        switch (import->source.kind) {
        case IMAGE_SOURCE_STDIN:
                import->source_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
                return import->source_fd < 0 ? log_error_errno(errno, "standard input: %m") : 0;
        case IMAGE_SOURCE_PATH:
                return open_path(import);
        case IMAGE_SOURCE_REGISTRY:
                r = fetch(import);
                if (r < 0)
                        return r;
                import->is_directory = true;
                import->source_fd = sandbox_open_directory(import->work.fd, "root.1", /* read_only= */ true);
                return import->source_fd < 0 ? import->source_fd : 0;
        }
        return -EINVAL;
}

static int make_file(const Import *import, const char *name) {
        int fd = openat(import->work.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        return fd < 0 ? log_error_errno(errno, "cannot write into the store: %m") : fd;
}

static int open_targets(Import *import) {
        import->listing_fd = make_file(import, "listing");
        if (import->listing_fd < 0)
                return import->listing_fd;
        import->config_fd = make_file(import, "config.json");
        if (import->config_fd < 0)
                return import->config_fd;
        import->directory_fds[0] = sandbox_open_directory(import->work.fd, "root.0", /* read_only= */ false);
        if (import->directory_fds[0] < 0)
                return import->directory_fds[0];
        import->directory_fds[1] = sandbox_open_directory(import->work.fd, "root.1", /* read_only= */ false);
        return import->directory_fds[1] < 0 ? import->directory_fds[1] : 0;
}

static int compare_ints(const void *a, const void *b) {
        return *(const int *) a - *(const int *) b;
}

/* The sandbox's side. */
static int unpack_child(const Import *import, int result_fd) {
        Shown what = shown(called(import));
        Unpack unpack = {
                .what = what.text,
                .source = import->is_directory ? UNPACK_DIRECTORY : UNPACK_FILE,
                .source_fd = import->source_fd,
                .oci = import->source.oci || import->source.kind == IMAGE_SOURCE_REGISTRY,
                .docker = import->source.docker,
                .reference = import->source.reference,
                .directory_fds = { import->directory_fds[0], import->directory_fds[1] },
                .listing_fd = import->listing_fd,
                .config_fd = import->config_fd,
                .limits = import->limits,
        };
        int keep[] = { import->source_fd,        import->listing_fd,       import->config_fd,
                       import->directory_fds[0], import->directory_fds[1], result_fd };
        UnpackResult result = {};

        qsort(keep, ARRAY_LEN(keep), sizeof(int), compare_ints);
        child_reset_signals();
        if (unpack_prepare() < 0 || sandbox_enter(keep, ARRAY_LEN(keep)) < 0)
                return EXIT_FAILED;
        unpack_run(&unpack, &result);
        return write_fd(result_fd, &result, sizeof(result)) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int read_result(const Import *import, int fd, int status, UnpackResult *ret) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        if (WIFSIGNALED(status))
                return log_error_errno(EIO,
                                       "%s: the process that unpacked it was killed by signal %d (SIG%s)%s",
                                       shown(called(import)).text, WTERMSIG(status),
                                       sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?",
                                       WTERMSIG(status) == SIGKILL ? ": out of memory?" : "");
        if (WEXITSTATUS(status) != EXIT_DONE)
                return -EIO; /* it has said why */
        if (read_fd(fd, sizeof(*ret), &data, &size) < 0 || size != sizeof(*ret))
                return log_error_errno(EIO, "%s: the process that unpacked it told nothing",
                                       shown(called(import)).text);
        memcpy(ret, data, sizeof(*ret));
        /* It may be another's by now, for all we know: nothing that it says is a way out of the store. */
        if (ret->root > 1)
                return log_error_errno(EBADMSG, "the process that unpacked it told nonsense");
        return ret->error > 0 ? -EIO : ret->error;
}

static int unpack(Import *import) {
        _cleanup_close_ int pidfd = -EBADF, read_end = -EBADF, write_end = -EBADF;
        int ends[2], status;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        read_end = ends[0];
        write_end = ends[1];
        fflush(NULL);
        pid = sandbox_fork(&pidfd);
        if (pid < 0)
                return log_error_errno(pid, "cannot make a process in namespaces of its own: %m");
        if (pid == 0)
                sandbox_exit(unpack_child(import, write_end));
        write_end = close_fd(write_end);
        status = child_wait(pidfd, import->signal_fd);
        return status < 0 ? status : read_result(import, read_end, status, &import->result);
}

static int write_digest(const Import *import) {
        char text[DIGEST_TEXT_SIZE + 32], digest[DIGEST_TEXT_SIZE];
        int n, r;

        digest_format(&import->result.digest, digest);
        n = snprintf(text, sizeof(text), "{ \"digest\": \"%s\" }\n", digest);
        r = write_file_at(import->work.fd, "config.json", text, (size_t) n, 0600);
        return r < 0 ? log_error_errno(r, "cannot write into the store: %m") : 0;
}

/* A disk image: the file at the place of root.0, which is a directory of everything else. */
static int copy_disk(Import *import) {
        _cleanup_close_ int fd = -EBADF;
        Shown what = shown(called(import));
        struct stat st;
        int r;

        if (fstat(import->source_fd, &st) < 0)
                return log_error_errno(errno, "%s: %m", what.text);
        if ((uint64_t) st.st_size > import->limits.bytes)
                return log_error_errno(EFBIG, "%s: is larger than %" PRIu64 " bytes (--max-size=)",
                                       what.text, import->limits.bytes);
        if (unlinkat(import->work.fd, "root.0", AT_REMOVEDIR) < 0)
                return log_error_errno(errno, "cannot write into the store: %m");
        r = image_disk_copy(import->source_fd, import->work.fd, "root.0", what.text, import->signal_fd);
        if (r < 0)
                return r;
        fd = openat(import->work.fd, "root.0", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return log_error_errno(errno, "cannot read from the store: %m");
        /* Of the copy: the source may change while it is read. */
        r = image_disk_digest(fd, what.text, import->signal_fd, &import->result.digest);
        import->result.listing = import->result.digest;
        import->result.count.entries = 1;
        import->result.count.bytes = (uint64_t) st.st_size;
        return r < 0 ? r : write_digest(import);
}

static void format_now(char ret[static 32]) {
        time_t now = time(NULL);
        struct tm tm;

        if (!gmtime_r(&now, &tm) || strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                ret[0] = '\0';
}

static int write_base(const Import *import) {
        char digest[DIGEST_TEXT_SIZE], now[32];
        const char *text;
        int r;

        if (!import->base)
                return 0;
        digest_format(&import->result.digest, digest);
        format_now(now);
        json_add_string(import->base, "digest", digest);
        json_add_string(import->base, "created", now);
        text = json_object_to_json_string_ext(import->base,
                                              JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        r = text ? write_file_at(import->work.fd, "config.json", text, strlen(text), 0600) : -ENOMEM;
        return r < 0 ? log_error_errno(r, "cannot write into the store: %m") : 0;
}

/* What start-up would refuse is refused here already. */
static int check_config(const Import *import) {
        _cleanup_metadata_ Metadata metadata = {};
        int r;

        r = metadata_read(import->work.fd, "config.json", "its configuration", &metadata);
        return r < 0 ? log_error_errno(r,
                                       "%s: no container could start from an image that says this of itself",
                                       shown(called(import)).text)
                     : 0;
}

static json_object *make_names(char *const *names) {
        json_object *array = json_object_new_array();

        for (size_t i = 0; array && names[i]; i++)
                json_object_array_add(array, json_object_new_string(names[i]));
        return array;
}

static json_object *make_record(const Import *import) {
        const ExtractCount *count = &import->result.count;
        char digest[DIGEST_TEXT_SIZE], listing[DIGEST_TEXT_SIZE], now[32];
        json_object *record = json_object_new_object();

        if (!record)
                return NULL;
        digest_format(&import->result.digest, digest);
        digest_format(&import->result.listing, listing);
        format_now(now);
        json_object_object_add(record, "format", json_object_new_int(1));
        json_object_object_add(record, "names", make_names(import->names));
        json_add_string(record, "digest", digest);
        json_add_string(record, "listing", listing);
        json_add_string(record, "source", shown(import->said).text);
        json_add_string(record, "imported", now);
        json_object_object_add(record, "entries", json_object_new_int64((int64_t) count->entries));
        json_object_object_add(record, "size", json_object_new_int64((int64_t) count->bytes));
        return record;
}

static int write_record(const Import *import) {
        _cleanup_json_ json_object *record = make_record(import);
        const char *text;
        int r;

        text = record ? json_object_to_json_string_ext(
                                        record, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)
                      : NULL;
        if (!text)
                return log_oom();
        r = write_file_at(import->work.fd, "record.json", text, strlen(text), 0600);
        return r < 0 ? log_error_errno(r, "cannot write into the store: %m") : 0;
}

static int commit(Import *import) {
        char digest[DIGEST_TEXT_SIZE];
        int r;

        digest_format(&import->result.digest, digest);
        r = write_record(import);
        if (r >= 0)
                r = store_settle(&import->work, import->result.root);
        if (r >= 0)
                r = store_lock(&import->store);
        if (r < 0)
                return r;
        r = check_replaceable(import); /* once more: it took its time */
        if (r >= 0)
                r = store_commit(&import->store, &import->work, digest, import->names);
        store_unlock(&import->store);
        return r;
}

static uint64_t elapsed_ms(const Import *import) {
        return (monotonic_usec() - import->started_usec) / 1000;
}

static int print_result_json(const Import *import) {
        _cleanup_json_ json_object *object = json_object_new_object();
        const ExtractCount *count = &import->result.count;
        char digest[DIGEST_TEXT_SIZE];
        json_object *skipped;

        skipped = json_object_new_object();
        if (!object || !skipped) {
                json_object_put(skipped);
                return log_oom();
        }
        digest_format(&import->result.digest, digest);
        json_add_string(object, "id", import->names[0]);
        json_object_object_add(object, "tags", make_names(import->names + 1));
        json_add_string(object, "digest", digest);
        json_object_object_add(object, "entries", json_object_new_int64((int64_t) count->entries));
        json_object_object_add(object, "size", json_object_new_int64((int64_t) count->bytes));
        json_object_object_add(skipped, "devices", json_object_new_int64((int64_t) count->devices));
        json_object_object_add(skipped, "sockets", json_object_new_int64((int64_t) count->sockets));
        json_object_object_add(skipped, "attributes", json_object_new_int64((int64_t) count->attributes));
        json_object_object_add(object, "skipped", skipped);
        json_object_object_add(object, "replaced", json_object_new_boolean(import->replaced));
        json_object_object_add(object, "duration_ms", json_object_new_int64((int64_t) elapsed_ms(import)));
        print_json(object);
        return 0;
}

static int print_result(const Import *import) {
        char size[16], digest[DIGEST_TEXT_SIZE];

        if (subverb_has(import->call, IMAGE_JSON))
                return print_result_json(import);
        if (isatty(STDERR_FILENO) != 1)
                return 0;
        format_bytes(import->result.count.bytes, size);
        digest_format(&import->result.digest, digest);
        printf("%s: %.19s, %" PRIu64 " entries, %s, %.1f s\n", import->names[0], digest,
               import->result.count.entries, size, (double) elapsed_ms(import) / 1000);
        return 0;
}

static int run(Import *import) {
        int r;

        umask(0077);
        import->started_usec = monotonic_usec();
        import->signal_fd = child_open_signals();
        if (import->signal_fd < 0)
                return log_error_errno(import->signal_fd, "cannot watch for signals: %m");
        r = store_open(&import->store);
        if (r >= 0)
                r = store_sweep(&import->store);
        if (r >= 0)
                r = check_replaceable(import);
        if (r >= 0)
                r = store_begin(&import->store, &import->work);
        if (r >= 0)
                r = open_source(import);
        if (r >= 0)
                r = check_disk_names(import);
        if (r >= 0 && import->is_disk)
                r = copy_disk(import);
        else if (r >= 0) {
                r = open_targets(import);
                if (r >= 0)
                        r = unpack(import);
        }
        if (r >= 0)
                r = write_base(import);
        if (r >= 0)
                r = check_config(import);
        if (r >= 0)
                r = commit(import);
        return r < 0 ? r : print_result(import);
}

int image_import_tree(const SubverbCall *call, const char *said, json_object *base) {
        _cleanup_(import_done) Import import = {
                .call = call,
                .said = said,
                .base = base,
                .store = STORE_NONE,
                .work = { .fd = -EBADF, .lock_fd = -EBADF },
                .source_fd = -EBADF,
                .listing_fd = -EBADF,
                .config_fd = -EBADF,
                .signal_fd = -EBADF,
                .directory_fds = { -EBADF, -EBADF },
        };

        if (image_source_parse(call->operands[0], &import.source) < 0 || read_limits(&import) < 0 ||
            read_names(&import) < 0)
                return EXIT_USAGE;
        return run(&import) < 0 ? EXIT_FAILED : EXIT_DONE;
}

int image_import(const SubverbCall *call) {
        return image_import_tree(call, call->operands[0], NULL);
}
