/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/storage/image-use.h"
#include "helper/storage/image-verbs.h"
#include "helper/storage/store.h"
#include "helper/text/print.h"
#include "helper/text/printable.h"
#include "helper/text/progress.h"

/* berth image list and inspect. */

/* All that is known of an image. */
typedef struct Description {
        const char *id; /* borrowed, the rest is owned */
        StoreImage image;
        json_object *config; /* ID.json; NULL: none, or damaged */
        json_object *record; /* of an import */
        char **containers, **names;
} Description;

static void description_done(Description *description) {
        store_image_done(&description->image);
        json_object_put(description->config);
        json_object_put(description->record);
        strv_free(description->containers);
        strv_free(description->names);
}
#define _cleanup_description_ _cleanup_(description_done)

static const char *kind_to_string(StoreKind kind) {
        static const char *const names[] = {
                [STORE_ABSENT] = "absent",       [STORE_IMPORTED] = "imported", [STORE_LINK] = "link",
                [STORE_DIRECTORY] = "directory", [STORE_FILE] = "disk",
        };

        return names[kind];
}

static int describe(const Store *store, const ImageUses *uses, const char *id, Description *ret) {
        _cleanup_close_ int entry_fd = -EBADF;
        char json[STORE_ENTRY_MAX];
        int r;

        ret->id = id;
        r = store_look(store, id, &ret->image);
        if (r < 0 || ret->image.kind == STORE_ABSENT)
                return r;
        snprintf(json, sizeof(json), "%s.json", id);
        (void) store_read_json(store->fd, json, &ret->config);
        if (ret->image.kind == STORE_IMPORTED) {
                entry_fd = store_open_entry(store, ret->image.entry);
                if (entry_fd >= 0)
                        (void) store_read_json(entry_fd, "record.json", &ret->record);
                r = store_names_of(store, ret->image.entry, &ret->names);
        }
        return r < 0 ? r : image_uses_of_id(uses, id, &ret->containers);
}

static json_object *strings(char *const *v) {
        json_object *array = json_object_new_array();

        for (size_t i = 0; array && v && v[i]; i++)
                json_object_array_add(array, json_object_new_string(v[i]));
        return array;
}

static const char *get_digest(const Description *d) {
        const char *digest = store_get_string(d->record, "digest");

        return digest ? digest : store_get_string(d->config, "digest");
}

static void add_number(json_object *object, const char *name, json_object *from) {
        json_object *value = NULL;

        if (from && json_object_object_get_ex(from, name, &value) &&
            json_object_is_type(value, json_type_int))
                json_object_object_add(object, name, json_object_new_int64(json_object_get_int64(value)));
        else
                json_object_object_add(object, name, NULL);
}

static json_object *to_json(const Description *d) {
        json_object *object = json_object_new_object();

        if (!object)
                return NULL;
        json_add_string(object, "id", d->id);
        json_add_string(object, "kind", kind_to_string(d->image.kind));
        json_add_string(object, "digest", get_digest(d));
        json_add_string(object, "created", store_get_string(d->config, "created"));
        json_add_string(object, "imported", store_get_string(d->record, "imported"));
        json_add_string(object, "source", store_get_string(d->record, "source"));
        add_number(object, "entries", d->record);
        add_number(object, "size", d->record);
        json_object_object_add(object, "names", strings(d->names));
        json_object_object_add(object, "containers", strings(d->containers));
        return object;
}

static void join(char *const *v, char ret[static 128]) {
        char *to = ret, *end = ret + 128;

        strcpy(ret, "-");
        for (size_t i = 0; v && v[i] && to < end - 1; i++) {
                int n = snprintf(to, (size_t) (end - to), "%s%s", i > 0 ? "," : "", v[i]);

                to += MIN(n, end - to - 1);
        }
}

/* What stands in ID.json is the image's maker's: it is shown as printable. */
static int add_cells(const Description *d, char ***cells) {
        const char *digest = get_digest(d), *imported = store_get_string(d->record, "imported");
        char size[16] = "-", containers[128];
        json_object *value;
        int r;

        if (d->record && json_object_object_get_ex(d->record, "size", &value))
                format_bytes((uint64_t) json_object_get_int64(value), size);
        join(d->containers, containers);
        if (digest && startswith(digest, "sha256:"))
                digest += strlen("sha256:");
        r = strv_append(cells, d->id);
        if (r >= 0)
                r = strv_append(cells, kind_to_string(d->image.kind));
        if (r >= 0)
                r = strv_appendf(cells, "%.12s", digest ? shown(digest).text : "-");
        if (r >= 0)
                r = strv_append(cells, imported ? shown(imported).text : "-");
        if (r >= 0)
                r = strv_append(cells, size);
        return r < 0 ? r : strv_append(cells, containers);
}

static int list_all(const SubverbCall *call) {
        static const char *const headings[] = { "ID", "KIND", "DIGEST", "IMPORTED", "SIZE", "CONTAINERS" };
        _cleanup_image_uses_ ImageUses uses = {};
        _cleanup_store_ Store store = STORE_NONE;
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_strv_ char **ids = NULL, **cells = NULL;
        int r;

        r = store_open(&store);
        if (r >= 0)
                r = image_uses_collect(&uses);
        if (r >= 0)
                r = store_list(&store, &ids);
        for (size_t i = 0; r >= 0 && !subverb_has(call, IMAGE_NO_LEGEND) && i < ARRAY_LEN(headings); i++)
                r = strv_append(&cells, headings[i]) < 0 ? log_oom() : 0;
        for (char **id = ids; r >= 0 && id && *id; id++) {
                _cleanup_description_ Description d = {};

                r = describe(&store, &uses, *id, &d);
                if (r < 0 || d.image.kind == STORE_ABSENT)
                        continue;
                r = subverb_has(call, IMAGE_JSON) ? json_append(array, to_json(&d)) : add_cells(&d, &cells);
                if (r < 0)
                        r = log_oom();
        }
        if (r < 0)
                return r;
        if (subverb_has(call, IMAGE_JSON))
                print_json(array);
        else
                print_table(cells, ARRAY_LEN(headings));
        return 0;
}

int image_list(const SubverbCall *call) {
        return list_all(call) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static void print_line(const char *name, const char *value) {
        if (value)
                printf("%-11s %s\n", name, shown(value).text);
}

static void print_text(const Description *d) {
        char names[128], containers[128], size[16];
        json_object *config, *value;

        join(d->names, names);
        join(d->containers, containers);
        print_line("ID", d->id);
        print_line("Kind", kind_to_string(d->image.kind));
        print_line("Leads to", d->image.kind == STORE_IMPORTED ? d->image.entry : d->image.target);
        print_line("Digest", get_digest(d));
        print_line("Created", store_get_string(d->config, "created"));
        print_line("Imported", store_get_string(d->record, "imported"));
        print_line("Source", store_get_string(d->record, "source"));
        if (d->record && json_object_object_get_ex(d->record, "size", &value)) {
                format_bytes((uint64_t) json_object_get_int64(value), size);
                print_line("Size", size);
        }
        print_line("Names", d->names ? names : NULL);
        print_line("Containers", d->containers ? containers : NULL);
        if (!d->config || !json_object_object_get_ex(d->config, "config", &config) ||
            !json_object_is_type(config, json_type_object))
                return;
        json_object_object_foreach(config, key, member) {
                const char *text = json_object_to_json_string_ext(member, JSON_C_TO_STRING_NOSLASHESCAPE);

                if (member && text)
                        print_line(shown(key).text, text);
        }
}

static int inspect(const SubverbCall *call) {
        _cleanup_image_uses_ ImageUses uses = {};
        _cleanup_store_ Store store = STORE_NONE;
        _cleanup_description_ Description d = {};
        _cleanup_json_ json_object *object = NULL;
        int r;

        r = store_open(&store);
        if (r >= 0)
                r = image_uses_collect(&uses);
        if (r >= 0)
                r = describe(&store, &uses, call->operands[0], &d);
        if (r < 0)
                return EXIT_FAILED;
        if (d.image.kind == STORE_ABSENT)
                return store_refuse(&store, call->operands[0]);
        if (!subverb_has(call, IMAGE_JSON)) {
                print_text(&d);
                return EXIT_DONE;
        }
        object = to_json(&d);
        if (!object)
                return log_oom(), EXIT_FAILED;
        json_add_string(object, "entry", d.image.kind == STORE_IMPORTED ? d.image.entry : d.image.target);
        json_object_object_add(object, "config", json_object_get(d.config));
        print_json(object);
        return EXIT_DONE;
}

int image_inspect(const SubverbCall *call) {
        return inspect(call);
}
