/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/volume-verbs.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/aside.h"
#include "helper/container/data.h"
#include "helper/container/known.h"
#include "helper/storage/volume-lock.h"
#include "helper/storage/volume-use.h"
#include "helper/text/hold.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth volume list, create, remove. */

/* -- list -- */

typedef struct Listing {
        json_object *array; /* NULL: cells */
        char **cells;
        size_t n;
} Listing;

static char *join(char *const *words) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (size_t i = 0; words && words[i]; i++)
                fprintf(f, "%s%s", i > 0 ? "," : "", words[i]);
        if (!words)
                fputc('-', f);
        if (fclose(f) == 0)
                return text;
        free(text);
        return NULL;
}

static int list_volume(Listing *listing, int dir_fd, const char *owner, const char *name) {
        _cleanup_strv_ char **users = NULL;
        _cleanup_free_ char *word = NULL, *all = NULL;
        struct stat st;
        int r;

        if (!volume_name_valid(name) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISDIR(st.st_mode))
                return 0;
        if (asprintf(&word, "%s:%s", owner, name) < 0)
                return log_oom();
        r = volume_find_users(owner, name, &users);
        if (r < 0)
                return r;
        listing->n++;
        if (listing->array) {
                json_object *object = json_object_new_object(), *array = json_object_new_array();

                json_add_string(object, "volume", word);
                json_object_object_add(object, "uid", json_object_new_int64(st.st_uid));
                json_object_object_add(object, "gid", json_object_new_int64(st.st_gid));
                for (char **user = users; user && *user; user++)
                        json_object_array_add(array, json_object_new_string(*user));
                json_object_object_add(object, "containers", array);
                return json_append(listing->array, object) < 0 ? log_oom() : 0;
        }
        all = join(users);
        if (!all || strv_append(&listing->cells, word) < 0 ||
            strv_appendf(&listing->cells, "%u:%u", st.st_uid, st.st_gid) < 0 ||
            strv_append(&listing->cells, all) < 0)
                return log_oom();
        return 0;
}

/* Calls each() for what is in dir_fd, in the order of the names. */
static int for_each(int dir_fd, void *userdata, int (*each)(void *userdata, int dir_fd, const char *name)) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = directory_names(dir_fd, ".", 0, directory_is_visible, &names);
        if (r < 0)
                return log_error_errno(r, "cannot read '%s': %m", VOLUMES);
        for (char **name = names; r >= 0 && name && *name; name++)
                r = each(userdata, dir_fd, *name);
        return r;
}

typedef struct OwnerListing {
        Listing *listing;
        const char *owner, *only;
} OwnerListing;

static int list_each_volume(void *userdata, int dir_fd, const char *name) {
        OwnerListing *owner = userdata;

        return list_volume(owner->listing, dir_fd, owner->owner, name);
}

static int list_each_owner(void *userdata, int dir_fd, const char *name) {
        OwnerListing *owner = userdata;
        _cleanup_close_ int fd = -EBADF;

        if (!name_valid(name, false) || (owner->only && !streq(owner->only, name)))
                return 0;
        fd = open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return 0; /* gone */
        owner->owner = name;
        return for_each(fd, owner, list_each_volume);
}

int volume_verb_list(const SubverbCall *call) {
        _cleanup_json_ json_object *array = subverb_has(call, VOLUME_JSON) ? json_object_new_array() : NULL;
        Listing listing = { .array = array };
        OwnerListing owner = { .listing = &listing, .only = call->operands[0] };
        _cleanup_close_ int store_fd = data_open("volumes");
        int status;

        if (store_fd < 0)
                return log_error_errno(store_fd, "cannot open '%s': %m", VOLUMES), EXIT_FAILED;
        if (!array && !subverb_has(call, VOLUME_NO_LEGEND) &&
            (strv_append(&listing.cells, "VOLUME") < 0 || strv_append(&listing.cells, "OWNER") < 0 ||
             strv_append(&listing.cells, "CONTAINERS") < 0))
                return log_oom(), EXIT_FAILED;
        status = for_each(store_fd, &owner, list_each_owner) < 0 ? EXIT_FAILED : EXIT_DONE;
        if (status == EXIT_DONE && owner.only && listing.n == 0)
                status = known_check(owner.only);
        if (status == EXIT_DONE && array)
                print_json(array);
        else if (status == EXIT_DONE)
                print_table(listing.cells, 3);
        strv_free(listing.cells);
        return status;
}

/* -- create and remove -- */

int volume_verb_done(const SubverbCall *call, const Volume *volume) {
        _cleanup_json_ json_object *object = NULL;

        if (!subverb_has(call, VOLUME_JSON))
                return EXIT_DONE;
        object = json_object_new_object();
        json_add_string(object, "volume", volume->word);
        print_json(object);
        return EXIT_DONE;
}

static int create(const Volume *volume, uid_t uid, gid_t gid, mode_t mode) {
        _cleanup_close_ int fd = -EBADF;
        char name[VOLUME_BESIDE_SIZE];
        int r = 0;

        fd = volume_make_beside(volume, "new", name);
        if (fd < 0)
                return fd;
        if (fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0 ||
            renameat2(volume->dir_fd, name, volume->dir_fd, volume->name, RENAME_NOREPLACE) < 0) {
                r = errno == EEXIST ? log_error_errno(errno, "there is a volume '%s' already", volume->word)
                                    : log_error_errno(errno, "'%s': cannot be made: %m", volume->word);
                (void) remove_tree(volume->dir_fd, name);
        }
        return r;
}

int volume_verb_create(const SubverbCall *call) {
        _cleanup_hold_ Hold hold = HOLD_NONE;
        _cleanup_volume_ Volume volume = VOLUME_NONE;
        const char *owner = subverb_value(call, VOLUME_OWNER), *mode_text = subverb_value(call, VOLUME_MODE);
        mode_t mode = 0755;
        uid_t uid = 0;
        gid_t gid = 0;

        if (volume_parse(call->operands[0], &volume) < 0)
                return EXIT_USAGE;
        if (owner && parse_owner(owner, &uid, &gid) < 0) {
                log_error("--owner=%s: expected UID or UID:GID, numbers", owner);
                return EXIT_USAGE;
        }
        if (mode_text && parse_mode(mode_text, &mode) < 0) {
                log_error("--mode=%s: expected three or four octal digits up to 0777", mode_text);
                return EXIT_USAGE;
        }
        hold_begin(&hold);
        if (volume_lock(&volume, /* make= */ true, /* change= */ false) < 0)
                return EXIT_FAILED;
        return create(&volume, uid, gid, mode) < 0 ? EXIT_FAILED : volume_verb_done(call, &volume);
}

int volume_verb_remove(const SubverbCall *call) {
        _cleanup_hold_ Hold hold = HOLD_NONE;
        _cleanup_volume_ Volume volume = VOLUME_NONE;
        bool force = subverb_has(call, VOLUME_FORCE);
        int r;

        if (volume_parse(call->operands[0], &volume) < 0)
                return EXIT_USAGE;
        hold_begin(&hold);
        if (volume_lock(&volume, /* make= */ false, !force) < 0)
                return EXIT_FAILED;
        if (!volume_exists(&volume))
                return volume_refuse_missing(&volume);
        if (!force && volume_refuse_used(&volume, ", or --force") < 0)
                return EXIT_FAILED;
        r = aside_remove(volume.dir_fd, volume.name);
        if (r < 0) {
                log_error_errno(r, "'%s': cannot be removed: %m", volume.word);
                return EXIT_FAILED;
        }
        return volume_verb_done(call, &volume);
}
