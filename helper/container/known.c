/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/known.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/log.h"
#include "common/manifests.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/text/hold.h"
#include "helper/verbs/options.h"

#define IMAGES_DIR BERTH_DATA_DIR "/images"
#define LAYERS_DIR BERTH_DATA_DIR "/layers"

bool known_manifest(const char *name) {
        _cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        char unit[NAME_LENGTH_MAX + sizeof(".service")];
        ManifestState state;
        bool foreign;

        if (root_fd < 0 || name_reserved(name) ||
            manifests_find(root_fd, BERTH_MANIFEST_PATH, name, &state) < 0 || state != MANIFEST_PRESENT)
                return false;
        snprintf(unit, sizeof(unit), "%s.service", name);
        return manifests_find_foreign(root_fd, SYSTEM_UNIT_PATH, unit, &foreign) >= 0 && !foreign;
}

static bool is_there(const char *directory, const char *name) {
        _cleanup_free_ char *path = NULL;

        return asprintf(&path, "%s/%s", directory, name) >= 0 && access(path, F_OK) == 0;
}

bool known_layer(const char *name) {
        return is_there(LAYERS_DIR, name);
}

bool known_container(const char *name) {
        if (!name_valid(name, false))
                return false;
        return known_manifest(name) || known_layer(name) || is_there(BERTH_CONTAINER_DIR, name);
}

static int add_names(int fd, const char *directory _unused_, void *userdata) {
        _cleanup_close_ int own_fd = fd;
        _cleanup_strv_ char **files = NULL;
        char ***names = userdata;
        int r;

        r = directory_names(own_fd, ".", 0, directory_is_visible, &files);
        for (char **file = files; r >= 0 && file && *file; file++) {
                const char *suffix = endswith(*file, MANIFEST_SUFFIX);

                if (suffix)
                        (*file)[suffix - *file] = '\0';
                if (name_valid(*file, false))
                        r = strv_append(names, *file);
        }
        return MIN(r, 0);
}

const char *known_nearest(const char *name, char *const *names) {
        const char *near = options_nearest(name, names, strv_length(names), sizeof(char *));

        return near && (near[0] | 0x20) == (name[0] | 0x20) ? near : NULL;
}

/* A container that is called nearly so, or whose unit or manifest that is. */
static int find_near(const char *name, char ret[static NAME_LENGTH_MAX + 1]) {
        static const char *const suffixes[] = { ".service", MANIFEST_SUFFIX };
        _cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_strv_ char **names = NULL;
        const char *near;
        int r;

        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
                const char *end = endswith(name, suffixes[i]);

                if (!end || end - name > NAME_LENGTH_MAX)
                        continue;
                snprintf(ret, NAME_LENGTH_MAX + 1, "%.*s", (int) (end - name), name);
                return known_container(ret) ? 0 : -ENOENT;
        }
        if (root_fd < 0)
                return -errno;
        r = manifests_each_directory(root_fd, BERTH_MANIFEST_PATH ":" LAYERS_DIR ":" BERTH_CONTAINER_DIR,
                                     add_names, &names);
        if (r < 0)
                return r;
        near = known_nearest(name, names);
        if (!near || streq(near, name)) /* whose manifest is masked, or which only has a layer yet */
                return -ENOENT;
        snprintf(ret, NAME_LENGTH_MAX + 1, "%s", near);
        return known_container(ret) ? 0 : -ENOENT; /* its manifest may be masked */
}

static bool is_image(const char *name) {
        return image_id_valid(name) && (is_there(IMAGES_DIR, name) || is_there(MACHINES_DIR, name));
}

int known_refuse(const char *name) {
        bool valid = name_valid(name, false), hints = geteuid() == 0 && !hold_for_user();
        _cleanup_free_ char *what = NULL;
        char near[NAME_LENGTH_MAX + 1];

        if (asprintf(&what, "%s'%s'%s", valid ? "no container " : "", name,
                     valid ? "" : " is not a container's name") < 0)
                log_oom();
        else if (hints && is_image(name))
                log_error("%s, but an image: berth image inspect %s", what, name);
        else if (hints && find_near(name, near) >= 0)
                log_error("%s (did you mean '%s'?)", what, near);
        else
                log_error("%s, see berth list --all", what);
        return EXIT_NO_SUCH;
}

int known_check(const char *name) {
        return known_container(name) ? EXIT_DONE : known_refuse(name);
}
