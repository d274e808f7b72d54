/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/aside.h"
#include "helper/storage/image-use.h"
#include "helper/storage/image-verbs.h"
#include "helper/storage/store.h"
#include "helper/text/print.h"
#include "helper/text/printable.h"

/* berth image remove and prune. */

/* files: are they gone as well, or has another name or a container them? */
static int tell_removed(const SubverbCall *call, bool files) {
        _cleanup_json_ json_object *object = NULL;

        if (!subverb_has(call, IMAGE_JSON))
                return EXIT_DONE;
        object = json_object_new_object();
        json_add_string(object, "id", call->operands[0]);
        json_object_object_add(object, "files_removed", json_object_new_boolean(files));
        print_json(object);
        return EXIT_DONE;
}

/* The store is locked. */
static int remove_image(const SubverbCall *call, Store *store, const ImageUses *uses) {
        _cleanup_strv_ char **containers = NULL, **names = NULL;
        _cleanup_store_image_ StoreImage image = {};
        const char *id = call->operands[0];

        if (store_look(store, id, &image) < 0)
                return EXIT_FAILED;
        if (image.kind == STORE_ABSENT)
                return store_refuse(store, id);
        if (image_uses_of_id(uses, id, &containers) < 0)
                return EXIT_FAILED;
        /* The files of anything but an import would go from under the container. */
        if (containers && (!subverb_has(call, IMAGE_FORCE) || image.kind == STORE_DIRECTORY)) {
                log_error("image '%s': container '%s' runs from it%s", id, containers[0],
                          image.kind == STORE_DIRECTORY
                                          ? "; stop that first"
                                          : "; stop that first, or --force takes the name away now and leaves "
                                            "the files to it");
                return EXIT_FAILED;
        }
        if (store_remove_name(store, id) < 0)
                return EXIT_FAILED;
        if (image.kind != STORE_IMPORTED)
                return tell_removed(call, /* files= */ image.kind != STORE_LINK);
        if (store_names_of(store, image.entry, &names) < 0)
                return EXIT_FAILED;
        if (names || image_uses_entry(uses, store, image.entry))
                return tell_removed(call, /* files= */ false);
        return store_remove_entry(store, image.entry) < 0 ? EXIT_FAILED
                                                          : tell_removed(call, /* files= */ true);
}

int image_remove(const SubverbCall *call) {
        _cleanup_image_uses_ ImageUses uses = {};
        _cleanup_store_ Store store = STORE_NONE;

        if (store_open(&store) < 0 || store_lock(&store) < 0 || image_uses_collect(&uses) < 0)
                return EXIT_FAILED;
        return remove_image(call, &store, &uses);
}

/* The store is locked. Returns the entries that were removed. */
static int prune_entries(const SubverbCall *call, Store *store, char ***ret) {
        _cleanup_image_uses_ ImageUses uses = {};
        _cleanup_strv_ char **entries = NULL;
        int r, failure = 0;

        r = store_list_entries(store, &entries);
        if (r >= 0)
                r = image_uses_collect(&uses);
        for (char **entry = entries; r >= 0 && entry && *entry; entry++) {
                _cleanup_strv_ char **names = NULL;

                r = store_names_of(store, *entry, &names);
                if (r < 0 || names ||
                    (!subverb_has(call, IMAGE_ALL) && aside_is_young(store->entries_fd, *entry)) ||
                    image_uses_entry(&uses, store, *entry))
                        continue;
                if (store_remove_entry(store, *entry) < 0)
                        failure = -EIO; /* the others may still go */
                else if (strv_append(ret, *entry) < 0)
                        r = log_oom();
        }
        return r < 0 ? r : failure;
}

static int print_pruned(const SubverbCall *call, char *const *removed) {
        _cleanup_json_ json_object *array = json_object_new_array();

        for (size_t i = 0; removed && removed[i]; i++)
                if (!subverb_has(call, IMAGE_JSON))
                        log_info("removed %s", removed[i]);
                else if (!array || json_object_array_add(array, json_object_new_string(removed[i])) < 0)
                        return log_oom();
        if (subverb_has(call, IMAGE_JSON))
                print_json(array);
        return 0;
}

int image_prune(const SubverbCall *call) {
        _cleanup_strv_ char **removed = NULL;
        _cleanup_store_ Store store = STORE_NONE;
        int r;

        r = store_open(&store);
        if (r >= 0)
                r = store_sweep(&store);
        if (r >= 0)
                r = store_lock(&store);
        if (r >= 0)
                r = prune_entries(call, &store, &removed);
        if (print_pruned(call, removed) < 0 || r < 0)
                return EXIT_FAILED;
        return EXIT_DONE;
}
