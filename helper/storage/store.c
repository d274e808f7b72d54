/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/data.h"
#include "helper/container/known.h"
#include "helper/text/printable.h"

#define IMAGES        BERTH_DATA_DIR "/images"
#define STORE         ".store"
#define NAMES         STORE "/names"
#define NEW           "new-"
#define DEAD          "dead-"
#define LOCK          "lock"
#define JSON_SIZE_MAX ((size_t) 2 * 1024 * 1024) /* an ID.json is at most one */

void store_done(Store *store) {
        close_fd(store->fd);
        close_fd(store->store_fd);
        close_fd(store->names_fd);
        close_fd(store->entries_fd);
        close_fd(store->lock_fd);
}

/* Makes it nobody's but root's. Files in it are set-uid, and owned by whom an image's maker likes. */
static int open_private(int dir_fd, const char *path) {
        _cleanup_close_ int fd = make_path(dir_fd, path, 0700);
        struct stat st;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != 0)
                return -EPERM;
        if ((st.st_mode & 077) != 0 && fchmod(fd, 0700) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_all(Store *store) {
        store->fd = data_open("images");
        if (store->fd < 0)
                return store->fd;
        store->store_fd = open_private(store->fd, STORE);
        if (store->store_fd < 0)
                return store->store_fd;
        store->names_fd = open_private(store->store_fd, "names");
        if (store->names_fd < 0)
                return store->names_fd;
        store->entries_fd = open_private(store->store_fd, "entries");
        return store->entries_fd < 0 ? store->entries_fd : 0;
}

int store_open(Store *ret) {
        _cleanup_store_ Store store = STORE_NONE;
        int r;

        r = open_all(&store);
        if (r < 0)
                return log_error_errno(r, "cannot open the image store %s: %m", IMAGES);
        *ret = store;
        store = STORE_NONE;
        return 0;
}

static int open_lock(int dir_fd) {
        int fd = openat(dir_fd, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

        return fd < 0 ? -errno : fd;
}

int store_lock(Store *store) {
        _cleanup_close_ int fd = open_lock(store->store_fd);
        int r;

        if (fd < 0)
                return log_error_errno(fd, "cannot lock the image store %s: %m", IMAGES);
        do
                r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
        while (r == -EINTR);
        if (r < 0)
                return log_error_errno(r, "cannot lock the image store %s: %m", IMAGES);
        store->lock_fd = TAKE_FD(fd);
        return 0;
}

void store_unlock(Store *store) {
        store->lock_fd = close_fd(store->lock_fd);
}

bool store_id_valid(const char *id) {
        static const char *const taken[] = { ".json", ".env" };

        for (size_t i = 0; i < ARRAY_LEN(taken); i++)
                if (endswith(id, taken[i]))
                        return false;
        return image_id_valid(id);
}

static int sync_directory(int fd, const char *name) {
        return fsync(fd) < 0 ? log_error_errno(errno, "%s/%s: cannot be written to disk: %m", IMAGES, name)
                             : 0;
}

static int random_name(const char *prefix, char *ret, size_t size) {
        uint64_t number;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return -EIO;
        snprintf(ret, size, "%s%012" PRIx64, prefix, number & UINT64_C(0xffffffffffff));
        return 0;
}

/* Imports at work. */

static int make_import(Store *store, StoreImport *import) {
        int r;

        r = random_name(NEW, import->name, sizeof(import->name));
        if (r < 0)
                return r;
        if (mkdirat(store->store_fd, import->name, 0700) < 0)
                return -errno;
        import->fd = openat(store->store_fd, import->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (import->fd < 0)
                return -errno;
        import->lock_fd = open_lock(import->fd);
        if (import->lock_fd < 0)
                return import->lock_fd;
        if (flock(import->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        for (unsigned i = 0; i < 2; i++) {
                char root[16];

                /* 0755: what a root without an entry of its own has */
                snprintf(root, sizeof(root), "root.%u", i);
                if (mkdirat(import->fd, root, 0755) < 0 || fchmodat(import->fd, root, 0755, 0) < 0)
                        return -errno;
        }
        return 0;
}

int store_begin(Store *store, StoreImport *ret) {
        StoreImport import = { .fd = -EBADF, .lock_fd = -EBADF };
        int r;

        /* Locked until its own lock is held: sweeping would take it for a dead one. */
        r = store_lock(store);
        if (r < 0)
                return r;
        r = make_import(store, &import);
        if (r < 0) {
                r = log_error_errno(r, "cannot make '%s/%s/%s': %m", IMAGES, STORE, import.name);
                store_abort(store, &import);
        } else
                *ret = import;
        store_unlock(store);
        return r;
}

void store_abort(Store *store, StoreImport *import) {
        if (import->name[0] && remove_tree(store->store_fd, import->name) < 0)
                log_warning("'%s/%s/%s' could not be removed, berth image prune will", IMAGES, STORE,
                            import->name);
        import->name[0] = '\0';
        import->fd = close_fd(import->fd);
        import->lock_fd = close_fd(import->lock_fd);
}

static int name_entry(Store *store, StoreImport *import, const char *id, const char *digest,
                      char entry[static STORE_ENTRY_MAX]) {
        const char *colon = strchr(digest, ':');

        for (unsigned i = 1;; i++) {
                int n = snprintf(entry, STORE_ENTRY_MAX, "%s@%.12s", id, colon ? colon + 1 : digest);

                if (i > 1)
                        snprintf(entry + n, STORE_ENTRY_MAX - (size_t) n, ".%u", i);
                if (renameat2(store->store_fd, import->name, store->entries_fd, entry, RENAME_NOREPLACE) ==
                    0)
                        return 0;
                if (errno != EEXIST || i == 10000)
                        return -errno;
        }
}

/* Puts a link into place in one step, whatever there was (but a directory: EISDIR). */
static int put_link(int dir_fd, const char *target, const char *name) {
        char temporary[32];
        int r;

        r = random_name(".", temporary, sizeof(temporary));
        if (r < 0)
                return r;
        if (symlinkat(target, dir_fd, temporary) < 0)
                return -errno;
        if (renameat(dir_fd, temporary, dir_fd, name) == 0)
                return 0;
        r = -errno;
        (void) unlinkat(dir_fd, temporary, 0);
        return r;
}

static bool leads_to(int dir_fd, const char *name, const char *target) {
        char is[PATH_MAX];
        ssize_t n = readlinkat(dir_fd, name, is, sizeof(is) - 1);

        if (n < 0)
                return false;
        is[n] = '\0';
        return streq(is, target);
}

static void constant_links(const char *id, char json[static STORE_ENTRY_MAX],
                           char root_target[static STORE_ENTRY_MAX],
                           char json_target[static STORE_ENTRY_MAX]) {
        snprintf(json, STORE_ENTRY_MAX, "%s.json", id);
        snprintf(root_target, STORE_ENTRY_MAX, NAMES "/%s/root", id);
        snprintf(json_target, STORE_ENTRY_MAX, NAMES "/%s/config.json", id);
}

/* A container of the entry that is replaced may be about to start, and not have told so yet: its time of change says
 * since when it is old. */
static int note_replaced(Store *store, const char *id) {
        _cleanup_store_image_ StoreImage old = {};
        int r;

        r = store_look(store, id, &old);
        if (r < 0 || old.kind != STORE_IMPORTED)
                return r;
        if (fchmodat(store->entries_fd, old.entry, 0700, 0) < 0 && errno != ENOENT)
                return log_error_errno(errno, "cannot change '%s/%s/entries/%s': %m", IMAGES, STORE,
                                       old.entry);
        return 0;
}

/* The one rename that exchanges root and configuration is that in names. The two links beside ID.env are made with
 * the first import, the root last, as it is what makes an ID an image. */
static int put_name(Store *store, const char *id, const char *entry) {
        char target[STORE_ENTRY_MAX + 16], json[STORE_ENTRY_MAX], root_target[STORE_ENTRY_MAX],
                        json_target[STORE_ENTRY_MAX];
        int r;

        r = note_replaced(store, id);
        if (r < 0)
                return r;
        snprintf(target, sizeof(target), "../entries/%s", entry);
        r = put_link(store->names_fd, target, id);
        if (r < 0)
                return log_error_errno(r, "cannot make '%s/%s/%s': %m", IMAGES, NAMES, id);
        r = sync_directory(store->names_fd, NAMES);
        if (r < 0)
                return r;
        constant_links(id, json, root_target, json_target);
        if (!leads_to(store->fd, json, json_target))
                r = put_link(store->fd, json_target, json);
        if (r >= 0 && !leads_to(store->fd, id, root_target))
                r = put_link(store->fd, root_target, id);
        if (r < 0)
                return log_error_errno(r, "cannot make '%s/%s': %m", IMAGES, id);
        return sync_directory(store->fd, "");
}

int store_settle(StoreImport *import, unsigned which) {
        char root[16], other[16];
        int r;

        snprintf(root, sizeof(root), "root.%u", which);
        snprintf(other, sizeof(other), "root.%u", 1 - which);
        r = remove_tree(import->fd, other);
        if (r >= 0 && renameat(import->fd, root, import->fd, "root") < 0)
                r = -errno;
        if (r < 0)
                return log_error_errno(r, "cannot complete '%s/%s/%s': %m", IMAGES, STORE, import->name);
        return syncfs(import->fd) < 0 ? log_error_errno(errno, "cannot write the image to disk: %m") : 0;
}

int store_commit(Store *store, StoreImport *import, const char *digest, char *const *names) {
        char entry[STORE_ENTRY_MAX];
        int r;

        assert(store->lock_fd >= 0);
        if (unlinkat(import->fd, LOCK, 0) < 0)
                return log_error_errno(errno, "cannot complete '%s/%s/%s': %m", IMAGES, STORE, import->name);
        r = name_entry(store, import, names[0], digest, entry);
        if (r < 0)
                return log_error_errno(r, "cannot make '%s/%s/entries/%s': %m", IMAGES, STORE, entry);
        import->name[0] = '\0';
        r = sync_directory(store->entries_fd, STORE "/entries");
        for (size_t i = 0; r >= 0 && names[i]; i++)
                r = put_name(store, names[i], entry);
        return r;
}

/* Looking. */

void store_image_done(StoreImage *image) {
        free(image->target);
        *image = (StoreImage){};
}

static int look_at_link(const Store *store, const char *id, StoreImage *ret) {
        char target[PATH_MAX], own[STORE_ENTRY_MAX];
        const char *entry;
        ssize_t n;

        n = readlinkat(store->fd, id, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        snprintf(own, sizeof(own), NAMES "/%s/root", id);
        if (!streq(target, own)) {
                ret->kind = STORE_LINK;
                return (ret->target = strdup(target)) ? 0 : -ENOMEM;
        }
        n = readlinkat(store->names_fd, id, target, sizeof(target) - 1);
        if (n < 0 && errno == ENOENT) { /* a link into nowhere, made by hand */
                ret->kind = STORE_LINK;
                return (ret->target = strdup(own)) ? 0 : -ENOMEM;
        }
        if (n < 0)
                return -errno;
        target[n] = '\0';
        entry = startswith(target, "../entries/");
        if (!entry || strlen(entry) >= sizeof(ret->entry))
                return -EBADMSG;
        ret->kind = STORE_IMPORTED;
        strcpy(ret->entry, entry);
        return 0;
}

int store_look(const Store *store, const char *id, StoreImage *ret) {
        _cleanup_store_image_ StoreImage image = {};
        struct stat st;
        int r = 0;

        if (!image_id_valid(id))
                r = 0;
        else if (fstatat(store->fd, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
                r = errno == ENOENT ? 0 : -errno;
        else if (S_ISLNK(st.st_mode))
                r = look_at_link(store, id, &image);
        else
                image.kind = S_ISDIR(st.st_mode) ? STORE_DIRECTORY : STORE_FILE;
        if (r < 0)
                return log_error_errno(r, "image '%s': %m", id);
        *ret = image;
        image = (StoreImage){};
        return 0;
}

/* ID.json and ID.env are of the alphabet of IDs themselves. */
static bool is_image(const char *name) {
        return image_id_valid(name) && !endswith(name, ".json") && !endswith(name, ".env");
}

static bool is_entry(const char *name) {
        return name[0] != '.' && strchr(name, '@') && strlen(name) < STORE_ENTRY_MAX;
}

int store_list(const Store *store, char ***ret) {
        int r = directory_names(store->fd, ".", 0, is_image, ret);

        return r < 0 ? log_error_errno(r, "cannot read '%s': %m", IMAGES) : 0;
}

int store_list_entries(const Store *store, char ***ret) {
        int r = directory_names(store->entries_fd, ".", 0, is_entry, ret);

        return r < 0 ? log_error_errno(r, "cannot read '%s/%s/entries': %m", IMAGES, STORE) : 0;
}

int store_names_of(const Store *store, const char *entry, char ***ret) {
        _cleanup_strv_ char **ids = NULL, **names = NULL;
        int r;

        r = store_list(store, &ids);
        for (char **id = ids; r >= 0 && id && *id; id++) {
                _cleanup_store_image_ StoreImage image = {};

                r = store_look(store, *id, &image);
                if (r >= 0 && image.kind == STORE_IMPORTED && streq(image.entry, entry) &&
                    strv_append(&names, *id) < 0)
                        r = log_oom();
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}

/* Removing: out of sight first, then piece by piece. */

static int remove_aside(Store *store, int dir_fd, const char *name) {
        char dead[32];
        int r;

        r = random_name(DEAD, dead, sizeof(dead));
        if (r < 0)
                return r;
        if (renameat2(dir_fd, name, store->store_fd, dead, RENAME_NOREPLACE) < 0)
                return errno == ENOENT ? 0 : -errno;
        return remove_tree(store->store_fd, dead);
}

static int unlink_if_there(int dir_fd, const char *name) {
        return unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int store_remove_name(Store *store, const char *id) {
        char file[STORE_ENTRY_MAX];
        int r;

        assert(store->lock_fd >= 0);
        r = note_replaced(store, id);
        if (r < 0)
                return r;
        /* ID.env first: left behind, it would be another image's one day. */
        snprintf(file, sizeof(file), "%s.env", id);
        r = unlink_if_there(store->fd, file);
        if (r >= 0)
                r = remove_aside(store, store->fd, id);
        snprintf(file, sizeof(file), "%s.json", id);
        if (r >= 0)
                r = unlink_if_there(store->fd, file);
        if (r >= 0)
                r = unlink_if_there(store->names_fd, id);
        return r < 0 ? log_error_errno(r, "image '%s': cannot be removed: %m", id) : 0;
}

int store_remove_entry(Store *store, const char *entry) {
        int r = remove_aside(store, store->entries_fd, entry);

        return r < 0 ? log_error_errno(r, "cannot remove '%s/%s/entries/%s': %m", IMAGES, STORE, entry) : 0;
}

static bool is_remnant(const char *name) {
        return startswith(name, NEW) || startswith(name, DEAD);
}

static bool is_any(const char *name) {
        return !streq(name, ".") && !streq(name, "..");
}

/* Is there a living import in the directory? */
static bool is_at_work(int dir_fd, const char *name) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                            lock_fd = -EBADF;

        if (fd < 0)
                return false;
        lock_fd = openat(fd, LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        return lock_fd >= 0 && flock(lock_fd, LOCK_EX | LOCK_NB) < 0;
}

static int sweep_directories(Store *store) {
        _cleanup_strv_ char **names = NULL;
        int n = 0, r;

        r = directory_names(store->store_fd, ".", 0, is_remnant, &names);
        for (char **name = names; r >= 0 && name && *name; name++) {
                if (startswith(*name, NEW) && is_at_work(store->store_fd, *name))
                        continue;
                r = remove_tree(store->store_fd, *name);
                n++;
        }
        return r < 0 ? r : n;
}

/* A name of which the import was killed before the link at ID was made, or the removal after it was gone, and links
 * that were to be renamed. */
static int sweep_names(Store *store) {
        _cleanup_strv_ char **names = NULL;
        int n = 0, r;

        r = directory_names(store->names_fd, ".", 0, is_any, &names);
        for (char **name = names; r >= 0 && name && *name; name++) {
                char json[STORE_ENTRY_MAX], root_target[STORE_ENTRY_MAX], json_target[STORE_ENTRY_MAX];

                if (image_id_valid(*name)) {
                        constant_links(*name, json, root_target, json_target);
                        if (leads_to(store->fd, *name, root_target))
                                continue;
                        if (leads_to(store->fd, json, json_target))
                                r = unlink_if_there(store->fd, json);
                }
                if (r >= 0)
                        r = unlink_if_there(store->names_fd, *name);
                n++;
        }
        return r < 0 ? r : n;
}

/* ".XXXXXXXXXXXX", a link of put_link(). */
static bool is_temporary(const char *name) {
        return name[0] == '.' && strlen(name) == 13 && strspn(name + 1, "0123456789abcdef") == 12;
}

static int sweep_links(Store *store) {
        _cleanup_strv_ char **names = NULL;
        int n = 0, r;

        r = directory_names(store->fd, ".", 0, is_temporary, &names);
        for (char **name = names; r >= 0 && name && *name; name++, n++)
                r = unlink_if_there(store->fd, *name);
        return r < 0 ? r : n;
}

int store_sweep(Store *store) {
        int n, m, k, r;

        r = store_lock(store);
        if (r < 0)
                return r;
        n = sweep_directories(store);
        m = sweep_names(store);
        k = sweep_links(store);
        store_unlock(store);
        if (n < 0 || m < 0 || k < 0)
                return log_error_errno(n < 0 ? n : m < 0 ? m : k, "cannot clean '%s/%s': %m", IMAGES, STORE);
        return n + m + k;
}

int store_clean(void) {
        _cleanup_store_ Store store = STORE_NONE;
        int r;

        if (access(IMAGES "/" STORE, F_OK) < 0)
                return errno == ENOENT ? 0 : log_error_errno(errno, "%s/%s: %m", IMAGES, STORE);
        r = store_open(&store);
        return r < 0 ? r : store_sweep(&store);
}

int store_open_entry(const Store *store, const char *entry) {
        int fd = openat(store->entries_fd, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int store_read_json(int dir_fd, const char *path, json_object **ret) {
        _cleanup_free_ char *text = NULL;
        enum json_tokener_error error;
        json_tokener *tokener;
        json_object *root;
        size_t size;
        int r;

        r = read_file_at(dir_fd, path, JSON_SIZE_MAX, &text, &size);
        if (r < 0)
                return r;
        tokener = json_tokener_new();
        if (!tokener)
                return -ENOMEM;
        root = json_tokener_parse_ex(tokener, text, (int) size);
        error = json_tokener_get_error(tokener);
        json_tokener_free(tokener);
        if (error != json_tokener_success || !json_object_is_type(root, json_type_object)) {
                json_object_put(root);
                return -EBADMSG;
        }
        *ret = root;
        return 0;
}

const char *store_get_string(json_object *object, const char *name) {
        json_object *value;

        if (!object || !json_object_object_get_ex(object, name, &value) ||
            !json_object_is_type(value, json_type_string))
                return NULL;
        return json_object_get_string(value);
}

int store_refuse(const Store *store, const char *id) {
        _cleanup_strv_ char **names = NULL;
        const char *nearest = NULL;

        if (known_container(id))
                return log_error("image '%s': there is none, but a container: berth inspect %s", id, id),
                       EXIT_NO_SUCH;
        if (store_list(store, &names) >= 0)
                nearest = known_nearest(id, names);
        if (nearest)
                log_error("image '%s': there is none (did you mean '%s'?)", shown(id).text, nearest);
        else
                log_error("image '%s': there is none, see berth image list", shown(id).text);
        return EXIT_NO_SUCH;
}
