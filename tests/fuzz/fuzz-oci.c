/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever the bytes, what is read as a document of an image is within its limits, and what is written as ID.json
 * of it can be read again, with the digest that it was given. The last byte says which document it is to be. */

#include <fcntl.h>

#include "common/base.h"
#include "common/strv.h"
#include "helper/storage/oci.h"
#include "tests/fuzz/fuzz.h"

static void check_index(const char *text, size_t size) {
        const OciDescriptor *chosen = NULL;
        OciIndex index;

        if (oci_index_parse(text, size, "fuzz", &index) < 0)
                return;
        if (oci_index_choose(&index, "fuzz", "amd64", NULL, &chosen) == 0)
                assert(chosen >= index.entries && chosen < index.entries + index.n);
        (void) oci_index_choose(&index, "fuzz", "arm64", "a", &chosen);
        oci_index_done(&index);
}

static void check_manifest(const char *text, size_t size) {
        OciManifest manifest;

        if (oci_manifest_parse(text, size, "fuzz", &manifest) < 0)
                return;
        assert(manifest.n_layers <= OCI_LAYERS_MAX && manifest.config.media == OCI_MEDIA_CONFIG);
        oci_manifest_done(&manifest);
}

static void check_config(const char *text, size_t size) {
        _cleanup_free_ char *stamped = NULL, *again = NULL;
        Digest digest = { { 1 } };
        OciConfig config;

        if (oci_config_parse(text, size, "fuzz", &config) < 0)
                return;
        assert(config.n_diff_ids <= OCI_LAYERS_MAX);
        oci_config_done(&config);
        if (oci_config_stamp(text, size, "fuzz", &digest, &stamped) < 0)
                return;
        assert(strlen(stamped) <= OCI_CONFIG_SIZE_MAX);
        assert(strstr(stamped, "\"digest\":\"sha256:01"));
        if (oci_config_stamp(stamped, strlen(stamped), "fuzz", &digest, &again) == 0)
                assert(streq(stamped, again));
}

static void check_docker(const char *text, size_t size) {
        DockerManifest manifest;

        if (docker_manifest_parse(text, size, "fuzz", NULL, &manifest) < 0)
                return;
        assert(manifest.config && strv_length(manifest.layers) <= OCI_LAYERS_MAX);
        docker_manifest_done(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const checks[])(const char *, size_t) = { check_index, check_manifest, check_config,
                                                                check_docker };
        static bool quiet;
        char *copy;

        if (!quiet) { /* each refusal is a line on standard error */
                quiet = true;
                assert(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) >= 0);
        }
        if (size == 0)
                return 0;
        copy = malloc(size); /* not a byte more than there is */
        assert(copy);
        memcpy(copy, data, size - 1);
        copy[size - 1] = '\0';
        checks[data[size - 1] % ARRAY_LEN(checks)](copy, size - 1);
        free(copy);
        return 0;
}
