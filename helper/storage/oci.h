/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/storage/digest.h"

/* The JSON documents of OCI images (image-spec 1.1: index, manifest, config) and of "docker save" (manifest.json),
 * as data, bounded and typed. What they hold is what the image's maker wrote: nothing of it becomes a path but the
 * hex digits of a digest, and the names in a docker archive, which are resolved inside of it. The functions log,
 * with what in front; they touch nothing but memory. */

#define OCI_DOCUMENT_SIZE_MAX ((size_t) 4 * 1024 * 1024)
#define OCI_CONFIG_SIZE_MAX   ((size_t) 1024 * 1024) /* what Berth reads of an ID.json */
#define OCI_LAYERS_MAX        512

typedef enum OciMedia {
        OCI_MEDIA_OTHER,
        OCI_MEDIA_INDEX,
        OCI_MEDIA_MANIFEST,
        OCI_MEDIA_CONFIG,
        OCI_MEDIA_LAYER,
} OciMedia;

typedef struct OciDescriptor { /* owns */
        OciMedia media;
        Digest digest;
        uint64_t size;
        char *reference;                   /* org.opencontainers.image.ref.name, or NULL */
        char *os, *architecture, *variant; /* NULL: not said */
} OciDescriptor;

typedef struct OciIndex { /* owns */
        OciDescriptor *entries;
        size_t n;
} OciIndex;

typedef struct OciManifest { /* owns */
        OciDescriptor config;
        OciDescriptor *layers;
        size_t n_layers;
} OciManifest;

typedef struct OciConfig { /* owns */
        char *os, *architecture;
        Digest *diff_ids; /* of the unpacked layers */
        size_t n_diff_ids;
} OciConfig;

typedef struct DockerManifest { /* owns */
        char *config;           /* names in the archive */
        char **layers;
} DockerManifest;

void oci_index_done(OciIndex *index);
void oci_manifest_done(OciManifest *manifest);
void oci_config_done(OciConfig *config);
void docker_manifest_done(DockerManifest *manifest);

int oci_index_parse(const char *text, size_t size, const char *what, OciIndex *ret);
int oci_manifest_parse(const char *text, size_t size, const char *what, OciManifest *ret);
int oci_config_parse(const char *text, size_t size, const char *what, OciConfig *ret);

/* Of several images in the archive the one tagged reference; without reference there must be one alone. */
int docker_manifest_parse(const char *text, size_t size, const char *what, const char *reference,
                          DockerManifest *ret);

/* The entry of index for a platform, and reference where that is not NULL. One that names no platform is as good as
 * any if it is alone. */
int oci_index_choose(const OciIndex *index, const char *what, const char *architecture,
                     const char *reference, const OciDescriptor **ret);

/* As OCI calls the architecture that uname(2) calls machine; machine itself where it has no other name. */
const char *oci_architecture(const char *machine);

/* ID.json: the config as it is, and "digest" (image-spec does not know it, Berth does). Caller frees. */
int oci_config_stamp(const char *text, size_t size, const char *what, const Digest *digest, char **ret);
