/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/unpack.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/storage/listing.h"
#include "helper/storage/oci.h"
#include "helper/storage/stream.h"
#include "helper/storage/tree.h"
#include "helper/text/printable.h"
#include "helper/text/progress.h"

#define INDEX_DEPTH_MAX 4

typedef struct Unpacking {
        const Unpack *unpack;
        UnpackResult *result;
        Extract *x;
        Progress progress;
        uint64_t budget; /* of bytes to come out of archives, those of a layout and its layers together */
        bool has_config;
} Unpacking;

int unpack_prepare(void) {
        _cleanup_hash_ Hash *hash = hash_new();
        json_object *object = json_object_new_object();
        int r = 0;

        /* OpenSSL's algorithm and json-c's seed are fetched with the first use, and kept. */
        if (!hash || !object || json_object_object_add(object, "a", NULL) < 0)
                r = log_oom();
        json_object_put(object);
        umask(0); /* modes are what the source says */
        /* Names in archives are bytes; in this locale libarchive leaves them alone. */
        if (r >= 0 && !setlocale(LC_CTYPE, "C.UTF-8"))
                r = log_error_errno(ENOENT, "this system lacks the locale C.UTF-8");
        return r;
}

/* Headers, padding and what one archive of another takes: bounded as well, but not by the last byte. */
static uint64_t stream_max(const ExtractLimits *limits) {
        const uint64_t more = UINT64_C(64) << 20;

        return limits->bytes > (UINT64_MAX - more) / 4 ? UINT64_MAX : 4 * limits->bytes + more;
}

static int fstat_size(int fd, uint64_t *ret) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        *ret = S_ISREG(st.st_mode) ? (uint64_t) st.st_size : 0;
        return 0;
}

static int extract_plain(Unpacking *u, const char *what, int fd, Extract *x) {
        StreamSource source = {
                .what = what,
                .fd = fd,
                .size = UINT64_MAX,
                .budget = &u->budget,
                .end_marker = true,
                .progress = &u->progress,
        };
        uint64_t total = 0;

        (void) fstat_size(fd, &total);
        progress_begin(&u->progress, what, total);
        extract_begin(x, what, /* layer= */ false, &u->progress);
        return stream_extract_tar(&source, x, NULL);
}

/* OCI layouts and docker archives: directories whose files are named by their digests, or by manifest.json. */

static int open_blob(int dir_fd, const char *what, const OciDescriptor *descriptor, char name[static 80]) {
        _cleanup_close_ int fd = -EBADF;
        char text[DIGEST_TEXT_SIZE], path[128];
        uint64_t size = 0;
        int r;

        digest_format(&descriptor->digest, text);
        snprintf(name, 80, "%s", text);
        snprintf(path, sizeof(path), "blobs/sha256/%s", strchr(text, ':') + 1);
        fd = open_regular_in_root(dir_fd, path);
        if (fd < 0)
                return log_error_errno(fd,
                                       fd == -ENOENT ? "%s: blob %s is missing"
                                                     : "%s: blob %s cannot be opened: %m",
                                       what, text);
        r = fstat_size(fd, &size);
        if (r < 0)
                return log_error_errno(r, "%s: blob %s: %m", what, text);
        if (size != descriptor->size)
                return log_error_errno(EBADMSG, "%s: blob %s is %llu bytes, not the %llu that it is to have",
                                       what, text, (unsigned long long) size,
                                       (unsigned long long) descriptor->size);
        return TAKE_FD(fd);
}

static int wrong_digest(const char *what, const char *name, const Digest *is) {
        char text[DIGEST_TEXT_SIZE];

        digest_format(is, text);
        return log_error_errno(EBADMSG, "%s: %s has the digest %s", what, name, text);
}

/* Reads a document and hashes what it has read: what is parsed is what was verified. */
static int read_document(int fd, const char *what, size_t max, char **ret, size_t *ret_size,
                         Digest *ret_digest) {
        _cleanup_hash_ Hash *hash = hash_new();
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (!hash)
                return log_oom();
        r = read_fd(fd, max, &text, &size);
        if (r == -EFBIG)
                return log_error_errno(r, "%s: over %zu MiB", what, max / 1024 / 1024);
        if (r < 0)
                return log_error_errno(r, "%s: cannot be read: %m", what);
        hash_update(hash, text, size);
        hash_finish(hash, ret_digest);
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int read_blob(int dir_fd, const char *what, const OciDescriptor *descriptor, size_t max, char **ret,
                     size_t *ret_size) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = NULL;
        size_t size;
        Digest digest;
        char name[80];
        int r;

        fd = open_blob(dir_fd, what, descriptor, name);
        if (fd < 0)
                return fd;
        r = read_document(fd, what, max, &text, &size, &digest);
        if (r < 0)
                return r;
        if (!digest_equal(&digest, &descriptor->digest))
                return wrong_digest(what, name, &digest);
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int write_config(Unpacking *u, const char *text, size_t size, const char *what) {
        _cleanup_free_ char *stamped = NULL;
        int r;

        r = oci_config_stamp(text, size, what, &u->result->digest, &stamped);
        if (r < 0)
                return r;
        u->has_config = true;
        r = write_fd(u->unpack->config_fd, stamped, strlen(stamped));
        return r < 0 ? log_error_errno(r, "%s: the configuration cannot be written: %m", what) : 0;
}

static void warn_of_platform(const Unpacking *u, const OciConfig *config) {
        struct utsname host;

        if (uname(&host) < 0)
                return;
        if ((config->os && !streq(config->os, "linux")) ||
            (config->architecture && !streq(config->architecture, oci_architecture(host.machine))))
                log_warning("%s: made for %s/%s, which this host is not", u->unpack->what,
                            config->os ? shown(config->os).text : "?",
                            config->architecture ? shown(config->architecture).text : "?");
}

/* One layer, from its file. diff_id: what it has to unpack to; digest: NULL, or what it has to be. */
static int apply_layer(Unpacking *u, int fd, size_t number, uint64_t size, const Digest *digest,
                       const Digest *diff_id) {
        _cleanup_free_ char *what = NULL;
        StreamSource source = { .fd = fd, .size = size, .budget = &u->budget, .progress = &u->progress };
        StreamDigests digests;
        int r;

        if (asprintf(&what, "%s: layer %zu", u->unpack->what, number) < 0)
                return log_oom();
        source.what = what;
        extract_begin(u->x, what, /* layer= */ true, &u->progress);
        r = stream_extract_tar(&source, u->x, &digests);
        if (r < 0)
                return r;
        if (digest && !digest_equal(digest, &digests.packed))
                return wrong_digest(what, "its blob", &digests.packed);
        if (!digest_equal(diff_id, &digests.unpacked))
                return wrong_digest(what, "what it unpacks to, against the image's configuration,",
                                    &digests.unpacked);
        return 0;
}

static int check_layer_count(const Unpacking *u, size_t n, const OciConfig *config) {
        if (n == 0)
                return log_error_errno(EBADMSG, "%s: an image without layers", u->unpack->what);
        if (n != config->n_diff_ids)
                return log_error_errno(EBADMSG, "%s: %zu layers, and %zu in its configuration",
                                       u->unpack->what, n, config->n_diff_ids);
        return 0;
}

static int apply_manifest(Unpacking *u, int dir_fd, const OciDescriptor *descriptor) {
        _cleanup_(oci_manifest_done) OciManifest manifest = {};
        _cleanup_(oci_config_done) OciConfig config = {};
        _cleanup_free_ char *text = NULL, *config_text = NULL;
        const char *what = u->unpack->what;
        size_t size = 0, config_size = 0;
        uint64_t total = 0;
        int r;

        r = read_blob(dir_fd, what, descriptor, OCI_DOCUMENT_SIZE_MAX, &text, &size);
        if (r >= 0)
                r = oci_manifest_parse(text, size, what, &manifest);
        if (r >= 0)
                r = read_blob(dir_fd, what, &manifest.config, OCI_CONFIG_SIZE_MAX, &config_text,
                              &config_size);
        if (r >= 0)
                r = oci_config_parse(config_text, config_size, what, &config);
        if (r >= 0)
                r = check_layer_count(u, manifest.n_layers, &config);
        if (r < 0)
                return r;
        warn_of_platform(u, &config);
        for (size_t i = 0; i < manifest.n_layers; i++)
                total += manifest.layers[i].size;
        progress_begin(&u->progress, what, total);
        for (size_t i = 0; i < manifest.n_layers; i++) {
                const OciDescriptor *layer = &manifest.layers[i];
                _cleanup_close_ int fd = -EBADF;
                char name[80];

                fd = open_blob(dir_fd, what, layer, name);
                if (fd < 0)
                        return fd;
                r = apply_layer(u, fd, i + 1, layer->size, &layer->digest, &config.diff_ids[i]);
                if (r < 0)
                        return r;
        }
        u->result->digest = descriptor->digest;
        return write_config(u, config_text, config_size, what);
}

static int read_index(int dir_fd, const char *what, OciIndex *ret) {
        _cleanup_close_ int fd = open_regular_in_root(dir_fd, "index.json");
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        Digest digest;
        int r;

        if (fd < 0)
                return log_error_errno(fd, "%s: index.json: %m; no OCI layout", what);
        r = read_document(fd, what, OCI_DOCUMENT_SIZE_MAX, &text, &size, &digest);
        return r < 0 ? r : oci_index_parse(text, size, what, ret);
}

static int apply_layout(Unpacking *u, int dir_fd) {
        const char *what = u->unpack->what, *reference = u->unpack->reference;
        _cleanup_(oci_index_done) OciIndex index = {};
        struct utsname host;
        int r;

        if (uname(&host) < 0)
                return log_error_errno(errno, "uname: %m");
        r = read_index(dir_fd, what, &index);
        for (unsigned depth = 0; r >= 0; depth++) {
                const OciDescriptor *chosen;
                _cleanup_free_ char *text = NULL;
                OciIndex next = {};
                size_t size = 0;

                r = oci_index_choose(&index, what, oci_architecture(host.machine), reference, &chosen);
                if (r < 0)
                        return r;
                if (chosen->media == OCI_MEDIA_MANIFEST)
                        return apply_manifest(u, dir_fd, chosen);
                if (depth >= INDEX_DEPTH_MAX)
                        return log_error_errno(ELOOP, "%s: index in index in index, refused", what);
                reference = NULL;
                r = read_blob(dir_fd, what, chosen, OCI_DOCUMENT_SIZE_MAX, &text, &size);
                if (r >= 0)
                        r = oci_index_parse(text, size, what, &next);
                if (r < 0)
                        return r;
                oci_index_done(&index);
                index = next;
        }
        return r;
}

/* "HEX.json" or "blobs/sha256/HEX": the name of a config says what it is to be. */
static int check_config_name(const char *what, const char *path, const Digest *digest) {
        const char *name = strrchr(path, '/'), *dot;
        _cleanup_free_ char *hex = NULL;
        Digest wanted;

        name = name ? name + 1 : path;
        dot = endswith(name, ".json");
        hex = strndup(name, dot ? (size_t) (dot - name) : strlen(name));
        if (!hex)
                return log_oom();
        if (digest_parse_hex(hex, &wanted) < 0)
                return log_error_errno(EBADMSG, "%s: configuration '%s' is not named by its digest", what,
                                       shown(path).text);
        return digest_equal(&wanted, digest) ? 0 : wrong_digest(what, "its configuration", digest);
}

static int open_member(int dir_fd, const char *what, const char *path) {
        int fd = open_regular_in_root(dir_fd, path);

        return fd < 0 ? log_error_errno(fd, "%s: '%s': %m", what, shown(path).text) : fd;
}

static int apply_docker_layers(Unpacking *u, int dir_fd, char *const *layers, const OciConfig *config) {
        int r = 0;

        progress_begin(&u->progress, u->unpack->what, 0);
        for (size_t i = 0; r >= 0 && layers && layers[i]; i++) {
                _cleanup_close_ int fd = open_member(dir_fd, u->unpack->what, layers[i]);

                if (fd < 0)
                        return fd;
                r = apply_layer(u, fd, i + 1, UINT64_MAX, NULL, &config->diff_ids[i]);
        }
        return r;
}

static int apply_docker(Unpacking *u, int dir_fd) {
        _cleanup_(docker_manifest_done) DockerManifest manifest = {};
        _cleanup_(oci_config_done) OciConfig config = {};
        _cleanup_free_ char *text = NULL, *config_text = NULL;
        _cleanup_close_ int fd = -EBADF, config_fd = -EBADF;
        const char *what = u->unpack->what;
        size_t size = 0, config_size = 0;
        Digest digest = {};
        int r;

        fd = open_member(dir_fd, what, "manifest.json");
        if (fd < 0)
                return fd;
        r = read_document(fd, what, OCI_DOCUMENT_SIZE_MAX, &text, &size, &digest);
        if (r >= 0)
                r = docker_manifest_parse(text, size, what, u->unpack->reference, &manifest);
        if (r < 0)
                return r;
        config_fd = open_member(dir_fd, what, manifest.config);
        if (config_fd < 0)
                return config_fd;
        r = read_document(config_fd, what, OCI_CONFIG_SIZE_MAX, &config_text, &config_size, &digest);
        if (r >= 0)
                r = check_config_name(what, manifest.config, &digest);
        if (r >= 0)
                r = oci_config_parse(config_text, config_size, what, &config);
        if (r >= 0)
                r = check_layer_count(u, strv_length(manifest.layers), &config);
        if (r < 0)
                return r;
        warn_of_platform(u, &config);
        r = apply_docker_layers(u, dir_fd, manifest.layers, &config);
        if (r < 0)
                return r;
        u->result->digest = digest;
        return write_config(u, config_text, config_size, what);
}

/* What there is in a directory tells what it is. A root has a usr or an etc: what is named so there may be anything. */

static bool has_file(int dir_fd, const char *name) {
        struct stat st;

        return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static bool is_root(int dir_fd) {
        struct stat st;

        return fstatat(dir_fd, "usr", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
               fstatat(dir_fd, "etc", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

typedef int (*Apply)(Unpacking *u, int dir_fd);

static Apply recognise(int dir_fd) {
        if (is_root(dir_fd))
                return NULL;
        if (has_file(dir_fd, "oci-layout") && has_file(dir_fd, "index.json"))
                return apply_layout;
        return has_file(dir_fd, "manifest.json") ? apply_docker : NULL;
}

/* What was asked for by a prefix is that or an error. "docker save" writes both of late. */
static int choose(const Unpack *unpack, int dir_fd, Apply *ret) {
        if (unpack->oci && !has_file(dir_fd, "index.json"))
                return log_error_errno(EBADMSG, "%s: is no OCI layout", unpack->what);
        if (unpack->docker && !has_file(dir_fd, "manifest.json"))
                return log_error_errno(EBADMSG, "%s: is no docker archive", unpack->what);
        *ret = unpack->oci ? apply_layout : unpack->docker ? apply_docker : recognise(dir_fd);
        return 0;
}

static int begin(Unpacking *u, unsigned root) {
        extract_free(u->x);
        u->result->root = root;
        u->x = extract_new(u->unpack->directory_fds[root], &u->unpack->limits);
        return u->x ? 0 : log_oom();
}

static int unpack_archive(Unpacking *u) {
        const Unpack *unpack = u->unpack;
        Apply apply;
        int r;

        r = begin(u, 0);
        if (r >= 0)
                r = extract_plain(u, unpack->what, unpack->source_fd, u->x);
        if (r < 0)
                return r;
        r = choose(unpack, unpack->directory_fds[0], &apply);
        if (r < 0 || !apply)
                return r;
        r = begin(u, 1);
        return r < 0 ? r : apply(u, unpack->directory_fds[0]);
}

static int unpack_directory(Unpacking *u) {
        const Unpack *unpack = u->unpack;
        Apply apply;
        int r;

        r = choose(unpack, unpack->source_fd, &apply);
        if (r >= 0)
                r = begin(u, 0);
        if (r < 0 || apply)
                return r < 0 ? r : apply(u, unpack->source_fd);
        progress_begin(&u->progress, unpack->what, 0);
        return tree_extract(unpack->source_fd, unpack->what, u->x, &u->progress);
}

/* An image that says nothing of itself. */
static int write_plain_config(Unpacking *u) {
        char text[256], digest[DIGEST_TEXT_SIZE], created[32];
        time_t now = time(NULL);
        struct tm tm;
        int r;

        if (!gmtime_r(&now, &tm) || strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                return log_error_errno(ERANGE, "the clock has no time");
        digest_format(&u->result->digest, digest);
        snprintf(text, sizeof(text), "{\n  \"digest\": \"%s\",\n  \"created\": \"%s\"\n}\n", digest,
                 created);
        r = write_fd(u->unpack->config_fd, text, strlen(text));
        return r < 0 ? log_error_errno(r, "the configuration cannot be written: %m") : 0;
}

static int make_listing(Unpacking *u) {
        ListingOptions options = { .what = u->unpack->what, .times = u->x, .progress = &u->progress };
        FILE *f = fdopen(u->unpack->listing_fd, "w");
        int r;

        if (!f)
                return log_oom();
        progress_begin(&u->progress, "reading it back", extract_count(u->x)->bytes);
        r = listing_make(u->unpack->directory_fds[u->result->root], &options, f, &u->result->listing);
        if (fclose(f) != 0 && r >= 0)
                r = log_error_errno(errno, "the listing cannot be written: %m");
        return r;
}

static int run(Unpacking *u) {
        int r;

        r = u->unpack->source == UNPACK_FILE ? unpack_archive(u) : unpack_directory(u);
        if (r < 0)
                return r;
        u->result->count = *extract_count(u->x);
        if (u->result->count.entries == 0)
                return log_error_errno(ENODATA, "%s: there is nothing in it", u->unpack->what);
        r = make_listing(u);
        if (r < 0 || u->has_config)
                return r;
        u->result->digest = u->result->listing;
        return write_plain_config(u);
}

void unpack_run(const Unpack *unpack, UnpackResult *ret) {
        Unpacking u = { .unpack = unpack, .result = ret, .budget = stream_max(&unpack->limits) };

        *ret = (UnpackResult){};
        ret->error = run(&u);
        extract_free(u.x);
}
