/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/known.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/names.h"

bool known_manifest(const char *name) {
        static const char path[] = BERTH_MANIFEST_PATH;

        for (const char *p = path; *p; p += strcspn(p, ":"), p += *p == ':') {
                const int names[] = { (int) strlen(name),
                                      strchr(name, '@') ? (int) strcspn(name, "@") + 1 : 0 };

                for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                        _cleanup_free_ char *file = NULL;

                        if (names[i] > 0 &&
                            asprintf(&file, "%.*s/%.*s.berth", (int) strcspn(p, ":"), p, names[i], name) >=
                                            0 &&
                            access(file, F_OK) == 0)
                                return true;
                }
        }
        return false;
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
