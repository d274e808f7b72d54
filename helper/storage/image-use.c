/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/image-use.h"

#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/inventory.h"
#include "helper/storage/mounted.h"

#define IMAGES  BERTH_DATA_DIR "/images/"
#define ENTRIES IMAGES ".store/entries"

void image_uses_done(ImageUses *uses) {
        for (size_t i = 0; i < uses->n; i++) {
                free(uses->items[i].container);
                free(uses->items[i].id);
                free(uses->items[i].digest);
        }
        free(uses->items);
        strv_free(uses->mounts);
        *uses = (ImageUses){};
}

/* The ID of what a manifest names. A path of the store leads to another entry after an import: what it led to when
 * the container started had the same ID. */
static int find_id(const char *image, ImageUse *use) {
        _cleanup_free_ char *path = NULL, *entries = NULL;
        const char *name = image;

        if (image[0] == '/') {
                path = realpath(image, NULL);
                if (!path) {
                        use->doubtful = errno != ENOMEM;
                        return errno == ENOMEM ? -ENOMEM : 0;
                }
                entries = realpath(ENTRIES, NULL);
                name = entries ? startswith(path, entries) : NULL;
                name = name && *name == '/' ? name + 1 : startswith(image, IMAGES);
                if (!name)
                        return 0;
        }
        return (use->id = strndup(name, strcspn(name, "/@"))) ? 0 : -ENOMEM;
}

/* Of one whose state cannot be read, and that may run: what it was launched with. */
static int ask_launch(const char *name, ImageUse *use) {
        _cleanup_strv_ char **words = NULL;
        int r = state_read_launch(name, &words);

        use->doubtful = r < 0;
        for (char **word = words; r >= 0 && word && *word && !streq(*word, "--"); word++)
                if (startswith(*word, "--image="))
                        return find_id(startswith(*word, "--image="), use);
        return r == -ENOMEM ? r : 0;
}

static int add_container(ImageUses *uses, const char *name) {
        _cleanup_item_ Item item = {};
        ImageUse *grown, *use;
        int r;

        r = item_open(name, &item);
        if (r != -EBADMSG && (r < 0 || !item_runs(&item)))
                return r;
        grown = reallocarray(uses->items, uses->n + 1, sizeof(ImageUse));
        if (!grown)
                return -ENOMEM;
        uses->items = grown;
        use = &grown[uses->n++];
        *use = (ImageUse){ .container = strdup(name) };
        if (!use->container)
                return -ENOMEM;
        if (r == -EBADMSG)
                return ask_launch(name, use);
        r = find_id(item.state.image, use);
        if (r >= 0 && item.state.image_digest && !(use->digest = strdup(item.state.image_digest)))
                r = -ENOMEM;
        return r;
}

static int add_mounts(pid_t pid _unused_, char **text, void *userdata) {
        ImageUses *uses = userdata;

        return strstr(*text, "/.store/") ? strv_consume(&uses->mounts, TAKE_PTR(*text)) : 0;
}

int image_uses_collect(ImageUses *ret) {
        _cleanup_image_uses_ ImageUses uses = {};
        _cleanup_strv_ char **names = NULL;
        int r;

        r = state_list(&names);
        for (char **name = names; r >= 0 && name && *name; name++)
                r = add_container(&uses, *name);
        if (r >= 0)
                r = mounted_for_each(add_mounts, &uses);
        if (r < 0)
                return log_error_errno(r, "cannot tell which images are in use: %m");
        *ret = uses;
        uses = (ImageUses){};
        return 0;
}

int image_uses_of_id(const ImageUses *uses, const char *id, char ***ret) {
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < uses->n; i++)
                if (uses->items[i].id && streq(uses->items[i].id, id) &&
                    strv_append(&names, uses->items[i].container) < 0)
                        return log_oom();
        *ret = TAKE_PTR(names);
        return 0;
}

/* Was entry ever what ID names? Its record holds all names that its import gave it. */
static bool had_name(json_object *record, const char *id) {
        json_object *names;

        if (!json_object_object_get_ex(record, "names", &names) ||
            !json_object_is_type(names, json_type_array))
                return true;
        for (size_t i = 0; i < json_object_array_length(names); i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(names, i));

                if (name && streq(name, id))
                        return true;
        }
        return false;
}

static bool is_mounted(const ImageUses *uses, const char *entry) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "/.store/entries/%s/", entry) < 0)
                return true;
        for (char **text = uses->mounts; text && *text; text++)
                if (strstr(*text, path))
                        return true;
        return false;
}

bool image_uses_entry(const ImageUses *uses, const Store *store, const char *entry) {
        _cleanup_close_ int fd = store_open_entry(store, entry);
        json_object *record = NULL;
        const char *digest;
        bool used;

        used = is_mounted(uses, entry);
        if (used || uses->n == 0)
                return used;
        if (fd >= 0)
                (void) store_read_json(fd, "record.json", &record);
        digest = store_get_string(record, "digest");
        for (size_t i = 0; !used && i < uses->n; i++) {
                const ImageUse *use = &uses->items[i];

                if (use->digest && digest && !streq(use->digest, digest))
                        continue;
                used = use->doubtful || (use->id && (!record || had_name(record, use->id)));
        }
        json_object_put(record);
        return used;
}
