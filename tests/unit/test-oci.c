/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/strv.h"
#include "helper/storage/oci.h"
#include "tests/unit/check.h"

#define HEX                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OTHER                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define BLOB                       "\"digest\":\"sha256:" HEX "\",\"size\":12"
#define MANIFEST                   "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\""
#define LAYER                      "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\"," BLOB "}"
#define CONFIG                     "{\"mediaType\":\"application/vnd.oci.image.config.v1+json\"," BLOB "}"
#define PLATFORM(os, architecture) "\"platform\":{\"os\":\"" os "\",\"architecture\":\"" architecture "\"}"

static int parse_index(const char *text, OciIndex *ret) {
        return oci_index_parse(text, strlen(text), "test", ret);
}

static int parse_manifest(const char *text, OciManifest *ret) {
        return oci_manifest_parse(text, strlen(text), "test", ret);
}

static void reads_a_manifest(void **state _unused_) {
        OciManifest manifest;

        assert_int_equal(parse_manifest("{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER
                                        "," LAYER "],\"annotations\":{\"a\":\"b\"},\"unknown\":[1]}",
                                        &manifest),
                         0);
        assert_int_equal(manifest.n_layers, 2);
        assert_int_equal(manifest.layers[1].size, 12);
        assert_int_equal(manifest.config.digest.bytes[0], 0xe3);
        oci_manifest_done(&manifest);
}

static void refuses_wrong_manifests(void **state _unused_) {
        static const struct {
                const char *text;
                int error;
        } rows[] = {
                { "", -EBADMSG },
                { "[]", -EBADMSG },
                { "null", -EBADMSG },
                { "{}", -EOPNOTSUPP },
                { "{\"schemaVersion\":\"2\"}", -EBADMSG },
                { "{\"schemaVersion\":1}", -EOPNOTSUPP },
                { "{\"schemaVersion\":2}", -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":[],\"layers\":[]}", -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":" CONFIG "}", -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":{}}", -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[null]}", -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{" BLOB "}]}", -EOPNOTSUPP },
                { "{\"schemaVersion\":2,\"config\":{" BLOB "},\"layers\":[]}", -EOPNOTSUPP },
                { "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "],\"manifests\":[]}",
                  -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "]}}", -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" LAYER "]", -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{\"mediaType\":\"\\u0000\"," BLOB
                  "}]}",
                  -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{\"mediaType\":\"\xff\"," BLOB
                  "}]}",
                  -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:" HEX
                  "\",\"size\":1.5},\"layers\":[]}",
                  -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:" HEX
                  "\",\"size\":-1},\"layers\":[]}",
                  -EBADMSG },
                { "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha512:" HEX HEX
                  "\",\"size\":1},\"layers\":[]}",
                  -EOPNOTSUPP },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                OciManifest manifest = { .n_layers = 42 };

                ROW(i, rows[i].text, parse_manifest(rows[i].text, &manifest) == rows[i].error);
                ROW(i, rows[i].text, manifest.n_layers == 42);
        }
}

/* What is chosen of an index for amd64: the last byte of its digest, or an error. */
static void chooses_the_platform(void **state _unused_) {
#define ENTRY(hex, more) "{" MANIFEST ",\"digest\":\"sha256:" hex "\",\"size\":1" more "}"
#define VARIANT          ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\",\"variant\":\"v3\"}"
#define NAME(name)       ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" name "\"}"
        static const struct {
                const char *entries, *reference;
                int result;
        } rows[] = {
                { "", NULL, -ENOENT },
                { ENTRY(HEX, ""), NULL, 0x55 },
                { ENTRY(HEX, "," PLATFORM("linux", "amd64")), NULL, 0x55 },
                { ENTRY(HEX, "," PLATFORM("linux", "arm64")), NULL, -ENOENT },
                { ENTRY(HEX, "," PLATFORM("windows", "amd64")), NULL, -ENOENT },
                { ENTRY(HEX, ",\"platform\":{\"architecture\":\"amd64\"}"), NULL, -ENOENT },
                { ENTRY(HEX, "") "," ENTRY(OTHER, "," PLATFORM("linux", "amd64")), NULL, 0xad },
                { ENTRY(HEX, VARIANT) "," ENTRY(OTHER, "," PLATFORM("linux", "amd64")), NULL, 0xad },
                { ENTRY(HEX, VARIANT) "," ENTRY(OTHER, VARIANT), NULL, 0x55 },
                { ENTRY(HEX, "") "," ENTRY(OTHER, ""), NULL, -ENOTUNIQ },
                { ENTRY(HEX, "") "," ENTRY(HEX, ""), NULL, 0x55 },
                { ENTRY(HEX, NAME("a")) "," ENTRY(OTHER, NAME("b")), "b", 0xad },
                { ENTRY(HEX, NAME("a")) "," ENTRY(OTHER, NAME("b")), "c", -ENOENT },
                { ENTRY(HEX, NAME("a")) "," ENTRY(OTHER, NAME("b")), NULL, -ENOTUNIQ },
                { "{\"mediaType\":\"text/plain\"," BLOB "}", NULL, -ENOENT },
                { "{" BLOB "}", NULL, -ENOENT },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *text = NULL;
                const OciDescriptor *chosen;
                OciIndex index;
                int r;

                assert_true(asprintf(&text, "{\"schemaVersion\":2,\"manifests\":[%s]}", rows[i].entries) >
                            0);
                ROW(i, text, parse_index(text, &index) == 0);
                r = oci_index_choose(&index, "test", "amd64", rows[i].reference, &chosen);
                ROW(i, text, (r < 0 ? r : chosen->digest.bytes[DIGEST_SIZE - 1]) == rows[i].result);
                oci_index_done(&index);
        }
}

static void a_list_of_strange_things_is_told_in_bounds(void **state _unused_) {
        _cleanup_free_ char *text = NULL, *entries = NULL;
        const OciDescriptor *chosen;
        size_t size;
        OciIndex index;
        FILE *f = open_memstream(&entries, &size);

        for (unsigned i = 0; i < 1000; i++)
                fprintf(f,
                        "%s{" MANIFEST "," BLOB
                        ",\"platform\":{\"os\":\"\\u001b%0200u\",\"architecture\":\"%0300u\"}}",
                        i > 0 ? "," : "", i, i);
        fclose(f);
        assert_true(asprintf(&text, "{\"schemaVersion\":2,\"manifests\":[%s]}", entries) > 0);
        assert_int_equal(parse_index(text, &index), 0);
        assert_int_equal(oci_index_choose(&index, "test", "amd64", NULL, &chosen), -ENOENT);
        oci_index_done(&index);
}

static void reads_a_config_and_stamps_it(void **state _unused_) {
        static const char text[] =
                        "{\"os\":\"linux\",\"architecture\":\"amd64\",\"digest\":\"forged\",\"rootfs\":"
                        "{\"diff_ids\":[\"sha256:" HEX "\"]},\"config\":{\"Cmd\":[\"a/b\",\"\\u00e9\"]}}";
        _cleanup_free_ char *stamped = NULL;
        OciConfig config;
        Digest digest;

        assert_int_equal(oci_config_parse(text, strlen(text), "test", &config), 0);
        assert_int_equal(config.n_diff_ids, 1);
        assert_string_equal(config.architecture, "amd64");
        assert_int_equal(digest_parse("sha256:" OTHER, &digest), 0);
        assert_int_equal(oci_config_stamp(text, strlen(text), "test", &digest, &stamped), 0);
        assert_non_null(strstr(stamped, "\"digest\":\"sha256:" OTHER "\""));
        assert_null(strstr(stamped, "forged"));
        assert_non_null(strstr(stamped, "a/b"));
        oci_config_done(&config);
}

static void reads_what_docker_save_writes(void **state _unused_) {
        static const char text[] =
                        "[{\"Config\":\"1.json\",\"RepoTags\":[\"a:1\"],\"Layers\":[\"x\",\"y\"]},"
                        "{\"Config\":\"2.json\",\"RepoTags\":null,\"Layers\":[]}]";
        DockerManifest manifest;

        assert_int_equal(docker_manifest_parse(text, strlen(text), "test", "a:1", &manifest), 0);
        assert_string_equal(manifest.config, "1.json");
        assert_int_equal(strv_length(manifest.layers), 2);
        docker_manifest_done(&manifest);
        assert_int_equal(docker_manifest_parse(text, strlen(text), "test", NULL, &manifest), -ENOTUNIQ);
        assert_int_equal(docker_manifest_parse(text, strlen(text), "test", "a:2", &manifest), -ENOENT);
        assert_int_equal(docker_manifest_parse("[]", 2, "test", NULL, &manifest), -ENOENT);
        assert_int_equal(docker_manifest_parse("[1]", 3, "test", NULL, &manifest), -EBADMSG);
}

RUN(TEST(reads_a_manifest), TEST(refuses_wrong_manifests), TEST(chooses_the_platform),
    TEST(a_list_of_strange_things_is_told_in_bounds), TEST(reads_a_config_and_stamps_it),
    TEST(reads_what_docker_save_writes))
