/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/oci.h"

#include <inttypes.h>
#include <json-c/json.h>

#include "common/log.h"
#include "common/strv.h"
#include "helper/text/printable.h"

#define DEPTH_MAX     32
#define ENTRIES_MAX   4096
#define REFERENCE_KEY "org.opencontainers.image.ref.name"

static void put_jsonp(json_object **object) {
        (void) json_object_put(*object);
}
#define _cleanup_json_ _cleanup_(put_jsonp)

static void descriptor_done(OciDescriptor *descriptor) {
        free(descriptor->reference);
        free(descriptor->os);
        free(descriptor->architecture);
        free(descriptor->variant);
}

static void descriptors_free(OciDescriptor *descriptors, size_t n) {
        for (size_t i = 0; i < n; i++)
                descriptor_done(&descriptors[i]);
        free(descriptors);
}

void oci_index_done(OciIndex *index) {
        descriptors_free(index->entries, index->n);
        *index = (OciIndex){};
}

void oci_manifest_done(OciManifest *manifest) {
        descriptor_done(&manifest->config);
        descriptors_free(manifest->layers, manifest->n_layers);
        *manifest = (OciManifest){};
}

void oci_config_done(OciConfig *config) {
        free(config->os);
        free(config->architecture);
        free(config->diff_ids);
        *config = (OciConfig){};
}

void docker_manifest_done(DockerManifest *manifest) {
        free(manifest->config);
        strv_free(manifest->layers);
        *manifest = (DockerManifest){};
}

/* JSON, strictly, with a type for each member that is looked at. */

static int wrong(const char *what, const char *member, const char *expected) {
        return log_error_errno(EBADMSG, "%s: '%s' is not %s", what, member, expected);
}

static int parse_json(const char *text, size_t size, const char *what, json_type type, json_object **ret) {
        _cleanup_json_ json_object *root = NULL;
        enum json_tokener_error error;
        json_tokener *tokener;

        if (size > OCI_DOCUMENT_SIZE_MAX)
                return log_error_errno(EFBIG, "%s: over 4 MiB", what);
        tokener = json_tokener_new_ex(DEPTH_MAX);
        if (!tokener)
                return log_oom();
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        root = json_tokener_parse_ex(tokener, text, (int) size);
        error = json_tokener_get_error(tokener);
        json_tokener_free(tokener);
        if (error != json_tokener_success)
                return log_error_errno(EBADMSG, "%s: not JSON: %s", what, json_tokener_error_desc(error));
        if (!json_object_is_type(root, type))
                return log_error_errno(EBADMSG, "%s: not a JSON %s", what, json_type_to_name(type));
        *ret = root;
        root = NULL;
        return 0;
}

/* Member name of object as type; 0 with NULL if it is absent or null. */
static int get(json_object *object, const char *name, json_type type, const char *what, json_object **ret) {
        json_object *value;

        *ret = NULL;
        if (!json_object_object_get_ex(object, name, &value) || !value)
                return 0;
        if (!json_object_is_type(value, type))
                return wrong(what, name,
                             type == json_type_array    ? "an array"
                             : type == json_type_object ? "an object"
                             : type == json_type_int    ? "a number"
                                                        : "a string");
        *ret = value;
        return 0;
}

/* A NUL inside would end it early, and let it pass for another. */
static bool is_whole_string(json_object *value) {
        return json_object_is_type(value, json_type_string) &&
               strlen(json_object_get_string(value)) == (size_t) json_object_get_string_len(value);
}

static int get_string(json_object *object, const char *name, const char *what, const char **ret) {
        json_object *value;
        int r;

        *ret = NULL;
        r = get(object, name, json_type_string, what, &value);
        if (r < 0 || !value)
                return r;
        if (!is_whole_string(value))
                return wrong(what, name, "a string without NUL bytes");
        *ret = json_object_get_string(value);
        return 0;
}

static int copy_string(json_object *object, const char *name, const char *what, char **ret) {
        const char *s;
        int r;

        r = get_string(object, name, what, &s);
        if (r < 0 || !s)
                return r;
        return (*ret = strdup(s)) ? 0 : log_oom();
}

static int parse_digest(const char *s, const char *what, Digest *ret) {
        int r = digest_parse(s, ret);

        if (r == -EOPNOTSUPP)
                return log_error_errno(r, "%s: digest '%s' is not of sha256, which is all that is supported",
                                       what, shown(s).text);
        return r < 0 ? log_error_errno(EBADMSG, "%s: '%s' is no digest", what, shown(s).text) : 0;
}

/* schemaVersion is 2 in all of them; 1 is Docker's first format, which is something else altogether. */
static int check_schema(json_object *root, const char *what) {
        json_object *value;
        int r;

        r = get(root, "schemaVersion", json_type_int, what, &value);
        if (r < 0)
                return r;
        if (!value || json_object_get_int64(value) != 2)
                return log_error_errno(EOPNOTSUPP, "%s: schemaVersion is not 2", what);
        return 0;
}

/* CVE-2021-41190: a document that is both may be one thing to who signs it and another to who unpacks it. */
static int refuse_both(json_object *root, const char *what) {
        if (json_object_object_get_ex(root, "manifests", NULL) &&
            json_object_object_get_ex(root, "layers", NULL))
                return log_error_errno(EBADMSG, "%s: both an index and a manifest, refused", what);
        return 0;
}

static OciMedia media_of(const char *type) {
        static const struct {
                const char *type;
                OciMedia media;
        } rows[] = {
                { "application/vnd.oci.image.index.v1+json", OCI_MEDIA_INDEX },
                { "application/vnd.docker.distribution.manifest.list.v2+json", OCI_MEDIA_INDEX },
                { "application/vnd.oci.image.manifest.v1+json", OCI_MEDIA_MANIFEST },
                { "application/vnd.docker.distribution.manifest.v2+json", OCI_MEDIA_MANIFEST },
                { "application/vnd.oci.image.config.v1+json", OCI_MEDIA_CONFIG },
                { "application/vnd.docker.container.image.v1+json", OCI_MEDIA_CONFIG },
                { "application/vnd.oci.image.layer.v1.tar", OCI_MEDIA_LAYER },
                { "application/vnd.oci.image.layer.v1.tar+gzip", OCI_MEDIA_LAYER },
                { "application/vnd.oci.image.layer.v1.tar+zstd", OCI_MEDIA_LAYER },
                { "application/vnd.oci.image.layer.nondistributable.v1.tar", OCI_MEDIA_LAYER },
                { "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", OCI_MEDIA_LAYER },
                { "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", OCI_MEDIA_LAYER },
                { "application/vnd.docker.image.rootfs.diff.tar", OCI_MEDIA_LAYER },
                { "application/vnd.docker.image.rootfs.diff.tar.gzip", OCI_MEDIA_LAYER },
                { "application/vnd.docker.image.rootfs.diff.tar.zstd", OCI_MEDIA_LAYER },
                { "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", OCI_MEDIA_LAYER },
        };

        for (size_t i = 0; type && i < ARRAY_LEN(rows); i++)
                if (streq(rows[i].type, type))
                        return rows[i].media;
        return OCI_MEDIA_OTHER;
}

static int parse_descriptor(json_object *object, const char *what, OciDescriptor *ret) {
        json_object *size, *platform, *annotations;
        const char *type, *digest;
        int r;

        if (!json_object_is_type(object, json_type_object))
                return log_error_errno(EBADMSG, "%s: a descriptor is not an object", what);
        r = get_string(object, "mediaType", what, &type);
        if (r >= 0)
                r = get_string(object, "digest", what, &digest);
        if (r >= 0)
                r = get(object, "size", json_type_int, what, &size);
        if (r >= 0)
                r = get(object, "platform", json_type_object, what, &platform);
        if (r >= 0)
                r = get(object, "annotations", json_type_object, what, &annotations);
        if (r < 0)
                return r;
        if (!digest || !size || json_object_get_int64(size) < 0)
                return log_error_errno(EBADMSG, "%s: a descriptor without digest or size", what);
        ret->media = media_of(type);
        ret->size = (uint64_t) json_object_get_int64(size);
        r = parse_digest(digest, what, &ret->digest);
        if (r >= 0 && annotations)
                r = copy_string(annotations, REFERENCE_KEY, what, &ret->reference);
        if (r >= 0 && platform)
                r = copy_string(platform, "os", what, &ret->os);
        if (r >= 0 && platform)
                r = copy_string(platform, "architecture", what, &ret->architecture);
        if (r >= 0 && platform)
                r = copy_string(platform, "variant", what, &ret->variant);
        return r;
}

static int parse_descriptors(json_object *root, const char *name, size_t max, const char *what,
                             OciDescriptor **ret, size_t *ret_n) {
        json_object *array;
        size_t n;
        int r;

        r = get(root, name, json_type_array, what, &array);
        if (r < 0)
                return r;
        if (!array)
                return log_error_errno(EBADMSG, "%s: has no '%s'", what, name);
        n = json_object_array_length(array);
        if (n > max)
                return log_error_errno(E2BIG, "%s: more than %zu '%s', refused", what, max, name);
        *ret = calloc(n + 1, sizeof(OciDescriptor));
        if (!*ret)
                return log_oom();
        for (*ret_n = 0; *ret_n < n;) {
                r = parse_descriptor(json_object_array_get_idx(array, *ret_n), what, &(*ret)[*ret_n]);
                (*ret_n)++; /* what there is of it is freed with the rest */
                if (r < 0)
                        return r;
        }
        return 0;
}

int oci_index_parse(const char *text, size_t size, const char *what, OciIndex *ret) {
        _cleanup_(oci_index_done) OciIndex index = {};
        _cleanup_json_ json_object *root = NULL;
        int r;

        r = parse_json(text, size, what, json_type_object, &root);
        if (r >= 0)
                r = check_schema(root, what);
        if (r >= 0)
                r = refuse_both(root, what);
        if (r >= 0)
                r = parse_descriptors(root, "manifests", ENTRIES_MAX, what, &index.entries, &index.n);
        if (r < 0)
                return r;
        *ret = index;
        index = (OciIndex){};
        return 0;
}

int oci_manifest_parse(const char *text, size_t size, const char *what, OciManifest *ret) {
        _cleanup_(oci_manifest_done) OciManifest manifest = {};
        _cleanup_json_ json_object *root = NULL;
        json_object *config;
        int r;

        r = parse_json(text, size, what, json_type_object, &root);
        if (r >= 0)
                r = check_schema(root, what);
        if (r >= 0)
                r = refuse_both(root, what);
        if (r >= 0)
                r = get(root, "config", json_type_object, what, &config);
        if (r >= 0 && !config)
                r = log_error_errno(EBADMSG, "%s: has no 'config'", what);
        if (r >= 0)
                r = parse_descriptor(config, what, &manifest.config);
        if (r >= 0)
                r = parse_descriptors(root, "layers", OCI_LAYERS_MAX, what, &manifest.layers,
                                      &manifest.n_layers);
        if (r < 0)
                return r;
        if (manifest.config.media != OCI_MEDIA_CONFIG)
                return log_error_errno(EOPNOTSUPP, "%s: its config is of no container image: an artifact?",
                                       what);
        for (size_t i = 0; i < manifest.n_layers; i++)
                if (manifest.layers[i].media != OCI_MEDIA_LAYER)
                        return log_error_errno(EOPNOTSUPP, "%s: layer %zu is of no known media type", what,
                                               i + 1);
        *ret = manifest;
        manifest = (OciManifest){};
        return 0;
}

static int parse_diff_ids(json_object *rootfs, const char *what, OciConfig *config) {
        json_object *array;
        size_t n;
        int r;

        r = get(rootfs, "diff_ids", json_type_array, what, &array);
        if (r < 0 || !array)
                return r;
        n = json_object_array_length(array);
        if (n > OCI_LAYERS_MAX)
                return log_error_errno(E2BIG, "%s: more than %d layers, refused", what, OCI_LAYERS_MAX);
        config->diff_ids = calloc(n + 1, sizeof(Digest));
        if (!config->diff_ids)
                return log_oom();
        for (; config->n_diff_ids < n; config->n_diff_ids++) {
                json_object *value = json_object_array_get_idx(array, config->n_diff_ids);

                if (!is_whole_string(value))
                        return wrong(what, "diff_ids", "an array of strings");
                r = parse_digest(json_object_get_string(value), what, &config->diff_ids[config->n_diff_ids]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int oci_config_parse(const char *text, size_t size, const char *what, OciConfig *ret) {
        _cleanup_(oci_config_done) OciConfig config = {};
        _cleanup_json_ json_object *root = NULL;
        json_object *rootfs;
        int r;

        r = parse_json(text, size, what, json_type_object, &root);
        if (r >= 0)
                r = copy_string(root, "os", what, &config.os);
        if (r >= 0)
                r = copy_string(root, "architecture", what, &config.architecture);
        if (r >= 0)
                r = get(root, "rootfs", json_type_object, what, &rootfs);
        if (r >= 0 && !rootfs)
                r = log_error_errno(EBADMSG, "%s: has no 'rootfs'", what);
        if (r >= 0)
                r = parse_diff_ids(rootfs, what, &config);
        if (r < 0)
                return r;
        *ret = config;
        config = (OciConfig){};
        return 0;
}

static bool has_tag(json_object *image, const char *reference) {
        json_object *tags;

        if (!json_object_object_get_ex(image, "RepoTags", &tags) ||
            !json_object_is_type(tags, json_type_array))
                return false;
        for (size_t i = 0; i < json_object_array_length(tags); i++) {
                json_object *tag = json_object_array_get_idx(tags, i);

                if (is_whole_string(tag) && streq(json_object_get_string(tag), reference))
                        return true;
        }
        return false;
}

static int choose_image(json_object *root, const char *what, const char *reference, json_object **ret) {
        size_t n = json_object_array_length(root), found = 0;

        for (size_t i = 0; i < n; i++) {
                json_object *image = json_object_array_get_idx(root, i);

                if (!json_object_is_type(image, json_type_object))
                        return wrong(what, "manifest.json", "an array of objects");
                if (!reference || has_tag(image, reference)) {
                        *ret = image;
                        found++;
                }
        }
        if (found == 0)
                return log_error_errno(ENOENT, "%s: holds no image%s%s", what, reference ? " tagged " : "",
                                       reference ? shown(reference).text : "");
        if (found > 1)
                return log_error_errno(ENOTUNIQ,
                                       "%s: holds %zu images; say which by its tag, as in FILE:NAME:TAG",
                                       what, found);
        return 0;
}

int docker_manifest_parse(const char *text, size_t size, const char *what, const char *reference,
                          DockerManifest *ret) {
        _cleanup_(docker_manifest_done) DockerManifest manifest = {};
        _cleanup_json_ json_object *root = NULL;
        json_object *image = NULL, *layers;
        int r;

        r = parse_json(text, size, what, json_type_array, &root);
        if (r >= 0)
                r = choose_image(root, what, reference, &image);
        if (r >= 0)
                r = copy_string(image, "Config", what, &manifest.config);
        if (r >= 0)
                r = get(image, "Layers", json_type_array, what, &layers);
        if (r < 0)
                return r;
        if (!manifest.config || !layers)
                return log_error_errno(EBADMSG, "%s: an image without 'Config' or 'Layers'", what);
        if (json_object_array_length(layers) > OCI_LAYERS_MAX)
                return log_error_errno(E2BIG, "%s: more than %d layers, refused", what, OCI_LAYERS_MAX);
        for (size_t i = 0; i < json_object_array_length(layers); i++) {
                json_object *layer = json_object_array_get_idx(layers, i);

                if (!is_whole_string(layer))
                        return wrong(what, "Layers", "an array of strings");
                if (strv_append(&manifest.layers, json_object_get_string(layer)) < 0)
                        return log_oom();
        }
        *ret = manifest;
        manifest = (DockerManifest){};
        return 0;
}

const char *oci_architecture(const char *machine) {
        static const struct {
                const char *machine, *architecture;
        } rows[] = {
                { "x86_64", "amd64" },  { "aarch64", "arm64" },
                { "armv6l", "arm" },    { "armv7l", "arm" },
                { "armv8l", "arm" },    { "i386", "386" },
                { "i586", "386" },      { "i686", "386" },
                { "mips64", "mips64" }, { "loongarch64", "loong64" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (streq(rows[i].machine, machine))
                        return rows[i].architecture;
        return machine;
}

/* How well an entry fits: 0 not at all, 1 it names no platform, 2 a variant of the platform, 3 the platform. */
static unsigned fitness(const OciDescriptor *entry, const char *architecture, const char *reference) {
        if (entry->media != OCI_MEDIA_INDEX && entry->media != OCI_MEDIA_MANIFEST)
                return 0;
        if (reference && (!entry->reference || !streq(entry->reference, reference)))
                return 0;
        if (!entry->os && !entry->architecture)
                return 1;
        if (!entry->os || !streq(entry->os, "linux") || !entry->architecture ||
            !streq(entry->architecture, architecture))
                return 0;
        return entry->variant ? 2 : 3;
}

static int refuse_choice(const OciIndex *index, const char *what, const char *architecture, unsigned n) {
        char there[512] = "";
        char *to = there, *end = there + sizeof(there);

        for (size_t i = 0; i < index->n && end - to > 1; i++) {
                const OciDescriptor *entry = &index->entries[i];
                int k = snprintf(to, (size_t) (end - to), "%s%.64s%s%.32s%s%.32s", i > 0 ? ", " : "",
                                 entry->reference ? shown(entry->reference).text : "",
                                 entry->reference && entry->os ? " " : "",
                                 entry->os ? shown(entry->os).text : "", entry->architecture ? "/" : "",
                                 entry->architecture ? shown(entry->architecture).text : "");

                to += MIN(k, end - to - 1);
        }
        if (n == 0)
                return log_error_errno(ENOENT, "%s: holds nothing that fits linux/%s: %s", what,
                                       architecture, there[0] ? there : "it is empty");
        return log_error_errno(ENOTUNIQ,
                               "%s: holds %u images that fit: %s; say which by its tag, as in oci:DIR:TAG",
                               what, n, there);
}

int oci_index_choose(const OciIndex *index, const char *what, const char *architecture,
                     const char *reference, const OciDescriptor **ret) {
        const OciDescriptor *best = NULL;
        unsigned best_fitness = 0, n = 0;

        for (size_t i = 0; i < index->n; i++) {
                const OciDescriptor *entry = &index->entries[i];
                unsigned f = fitness(entry, architecture, reference);

                if (f == 0 || f < best_fitness)
                        continue;
                if (f > best_fitness) {
                        best = entry;
                        best_fitness = f;
                        n = 0;
                }
                /* the same image under another tag is no choice to be made; nor is one of several variants */
                if (n == 0 || (f != 2 && !digest_equal(&entry->digest, &best->digest)))
                        n++;
        }
        if (n != 1)
                return refuse_choice(index, what, architecture, n);
        *ret = best;
        return 0;
}

int oci_config_stamp(const char *text, size_t size, const char *what, const Digest *digest, char **ret) {
        _cleanup_json_ json_object *root = NULL;
        char name[DIGEST_TEXT_SIZE];
        json_object *value;
        const char *out;
        int r;

        r = parse_json(text, size, what, json_type_object, &root);
        if (r < 0)
                return r;
        digest_format(digest, name);
        value = json_object_new_string(name);
        if (!value || json_object_object_add(root, "digest", value) < 0) {
                json_object_put(value);
                return log_oom();
        }
        out = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!out)
                return log_oom();
        if (strlen(out) > OCI_CONFIG_SIZE_MAX)
                return log_error_errno(EFBIG, "%s: over 1 MiB", what);
        return (*ret = strdup(out)) ? 0 : log_oom();
}
