/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/image-source.h"

#include <sys/stat.h>

#include "common/log.h"
#include "helper/storage/store.h"

void image_source_done(ImageSource *source) {
        free(source->path);
        free(source->reference);
        free(source->id);
        *source = (ImageSource){};
}

static void cut_suffix(char *s, const char *const suffixes[]) {
        for (size_t i = 0; suffixes[i]; i++) {
                char *at = s + strlen(s) - MIN(strlen(s), strlen(suffixes[i]));

                if (at > s && streq(at, suffixes[i])) {
                        *at = '\0';
                        return;
                }
        }
}

/* "/srv/Nginx.tar.zst" suggests "nginx", "docker://example.com/nginx:1.27" as well. */
static int suggest_id(const ImageSource *source, char **ret) {
        static const char *const packed[] = { ".gz", ".zst", ".zstd", ".xz", NULL };
        static const char *const archive[] = { ".tar", ".tgz", ".tzst", ".txz", ".oci", NULL };
        _cleanup_free_ char *id = NULL;
        const char *start = source->path;
        size_t n;

        *ret = NULL;
        if (source->kind == IMAGE_SOURCE_STDIN)
                return 0;
        n = strlen(start);
        while (n > 1 && start[n - 1] == '/')
                n--;
        for (size_t i = n; i > 0; i--)
                if (start[i - 1] == '/' && i < n) {
                        start += i;
                        n -= i;
                        break;
                }
        id = strndup(start, n);
        if (!id)
                return log_oom();
        if (source->kind == IMAGE_SOURCE_REGISTRY)
                id[strcspn(id, ":@")] = '\0';
        else {
                cut_suffix(id, packed);
                cut_suffix(id, archive);
        }
        for (char *p = id; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char) (*p - 'A' + 'a');
        if (store_id_valid(id))
                *ret = TAKE_PTR(id);
        return 0;
}

/* A path may hold colons: the longest that is there, or else the first part. */
static int split_reference(const char *s, ImageSource *source) {
        struct stat st;
        size_t best = strcspn(s, ":");

        for (size_t n = strlen(s); n > 0; n--) {
                _cleanup_free_ char *path = NULL;

                if (s[n] != '\0' && s[n] != ':')
                        continue;
                path = strndup(s, n);
                if (!path)
                        return log_oom();
                if (stat(path, &st) == 0) {
                        best = n;
                        break;
                }
        }
        source->path = strndup(s, best);
        if (!source->path)
                return log_oom();
        if (s[best] == ':' && !(source->reference = strdup(s + best + 1)))
                return log_oom();
        return 0;
}

int image_source_parse(const char *s, ImageSource *ret) {
        _cleanup_image_source_ ImageSource source = { .kind = IMAGE_SOURCE_PATH };
        const char *oci = startswith(s, "oci:"), *docker = startswith(s, "docker-archive:");
        int r = 0;

        if (streq(s, "-"))
                source.kind = IMAGE_SOURCE_STDIN;
        else if (startswith(s, "docker://"))
                source.kind = IMAGE_SOURCE_REGISTRY;
        source.oci = oci != NULL;
        source.docker = docker != NULL;
        if (oci || docker)
                r = split_reference(oci ? oci : docker, &source);
        else
                source.path = strdup(source.kind == IMAGE_SOURCE_STDIN ? "standard input" : s);
        if (r < 0 || !source.path)
                return r < 0 ? r : log_oom();
        if (source.path[0] == '\0')
                return log_error_errno(EINVAL, "'%s': a source without a path", s);
        r = suggest_id(&source, &source.id);
        if (r < 0)
                return r;
        *ret = source;
        source = (ImageSource){};
        return 0;
}
