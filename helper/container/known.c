/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/known.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/manifests.h"
#include "common/names.h"

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
        return is_there(BERTH_DATA_DIR "/layers", name);
}

bool known_container(const char *name) {
        if (!name_valid(name, false))
                return false;
        return known_manifest(name) || known_layer(name) || is_there(BERTH_CONTAINER_DIR, name);
}

int known_check(const char *name) {
        if (known_container(name))
                return EXIT_DONE;
        if (name_valid(name, false))
                log_error("no container '%s', see berth list --all", name);
        else
                log_error("'%s' is not a container's name, see berth list --all", name);
        return EXIT_NO_SUCH;
}
