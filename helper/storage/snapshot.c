/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/aside.h"
#include "helper/container/data.h"
#include "helper/container/frozen.h"
#include "helper/container/known.h"
#include "helper/launch/layer-disk.h"
#include "helper/launch/layer-quota.h"
#include "helper/launch/layer.h"
#include "helper/storage/snapshot-store.h"
#include "helper/storage/snapshot-take.h"
#include "helper/storage/snapshot-verbs.h"
#include "helper/storage/store.h"
#include "helper/text/hold.h"
#include "helper/text/print.h"
#include "helper/text/progress.h"

/* berth snapshot: copies of a kept layer. One is whole or not there: it is made beside its place, written to disk, and
 * renamed; so is the layer that is made of one again. */

#define STAMP_MAX (8 * 1024 * 1024)

void snapshot_done(Snapshot *s) {
        item_done(&s->item);
        close_fd(s->dir_fd);
        close_fd(s->layers_fd);
        close_fd(s->layer_fd);
        close_fd(s->files_fd);
}

static int no_layer(const Snapshot *s) {
        if (known_check(s->name) != EXIT_DONE)
                return -ENOENT;
        return log_error_errno(
                        ENOENT,
                        "container '%s' keeps no layer; with Ephemeral=no it does, from its next start on",
                        s->name);
}

int snapshot_hold(Snapshot *s, const char *name, bool needs_layer, bool may_run) {
        int r;

        umask(0077);
        s->name = name;
        if (!name_valid(s->name, false))
                return known_check(s->name), -ENOENT;
        s->layers_fd = data_open("layers");
        if (s->layers_fd < 0)
                return log_error_errno(s->layers_fd, "cannot open '%s/layers': %m", BERTH_DATA_DIR);
        r = item_open(s->name, &s->item);
        if (r < 0)
                return item_log_error(s->name, r);
        /* One that runs has no lock of its own any more; one that does not must not start now. */
        s->layer_fd = layer_lock(s->layers_fd, s->name, !item_runs(&s->item));
        if (s->layer_fd == -ENOENT && needs_layer)
                return no_layer(s);
        if (s->layer_fd == -EBUSY)
                return log_error_errno(EBUSY,
                                       "container '%s' is just starting, or its layer in use; try again",
                                       s->name);
        if (s->layer_fd < 0 && s->layer_fd != -ENOENT)
                return log_error_errno(s->layer_fd, "cannot open the layer of container '%s': %m", s->name);
        /* Once more: it may have started before we had the lock. */
        item_done(&s->item);
        r = item_open(s->name, &s->item);
        if (r < 0)
                return item_log_error(s->name, r);
        if (item_runs(&s->item) && !may_run)
                return log_error_errno(EBUSY, "container '%s' runs; stop it first", s->name);
        if (needs_layer) {
                s->files_fd = r = layer_open_files(s->layer_fd, s->name, item_runs(&s->item), &s->mounted);
                if (r < 0)
                        return r;
        }
        s->dir_fd = snapshot_lock(s->name);
        if (s->dir_fd == -EBUSY)
                return log_error_errno(EBUSY, "another snapshot of container '%s' is under way", s->name);
        return s->dir_fd < 0 ? log_error_errno(s->dir_fd, "cannot open '%s/snapshots/%s': %m",
                                               BERTH_DATA_DIR, s->name)
                             : 0;
}

static int exit_status(int r) {
        return r >= 0 ? EXIT_DONE : r == -ENOENT ? EXIT_NO_SUCH : EXIT_FAILED;
}

static int check_tag(const char *tag) {
        return snapshot_tag_valid(tag)
                               ? 0
                               : log_error_errno(EINVAL,
                                                 "'%s' cannot be a tag: A-Z a-z 0-9, then also . _ -, at most 64",
                                                 tag);
}

/* What stands beside up/ and work/: which image the layer belongs over, what is mounted in it. */
static int copy_stamps(int from_fd, int to_fd) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = directory_open(from_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                _cleanup_free_ char *text = NULL;
                struct stat st;
                size_t size;

                if (fstatat(from_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        r = -errno;
                else if (S_ISREG(st.st_mode) && !streq(entry->d_name, "record.json") &&
                         !streq(entry->d_name, LAYER_DISK)) {
                        r = read_file_at(from_fd, entry->d_name, STAMP_MAX, &text, &size);
                        if (r >= 0)
                                r = write_file_at(to_fd, entry->d_name, text, size, 0600);
                }
        }
        return r;
}

static int to_disk(int fd) {
        return syncfs(fd) < 0 ? log_error_errno(errno, "cannot write to disk: %m") : 0;
}

/* Where the copy's files are to be: itself, in a layer also a file system of its own that is as large as the one before.
 * How much else a layer may hold, its next start sets. */
static int make_place(const Snapshot *s, int fd, bool layer, uint64_t disk) {
        int r;

        if (disk > 0)
                return layer_disk_open(fd, s->name, disk, /* ephemeral= */ false);
        r = layer ? layer_quota_join(s->layers_fd, fd) : 0;
        if (r < 0)
                return log_error_errno(
                                r,
                                "the layer of container '%s' cannot be made a project of its file system: %m",
                                s->name);
        r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return r < 0 ? log_error_errno(errno, "cannot copy a descriptor: %m") : r;
}

/* Copies what is in files_fd, and what from_fd says of it, into a new directory name below to_dir. disk: into a file
 * system of that size there. */
static int copy_layer(Snapshot *s, int from_fd, int files_fd, int to_dir, const char *name, uint64_t disk,
                      int *ret_fd) {
        _cleanup_close_ int fd = -EBADF, place_fd = -EBADF, from_up = -EBADF, up = -EBADF;
        Progress progress;
        int r;

        if (mkdirat(to_dir, name, 0700) < 0)
                return log_error_errno(errno, "cannot make '%s': %m", name);
        fd = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return log_error_errno(errno, "cannot open '%s': %m", name);
        place_fd = make_place(s, fd, to_dir == s->layers_fd, disk);
        if (place_fd < 0)
                return place_fd;
        from_up = openat(files_fd, "up", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        up = from_up < 0 ? -errno : make_path(place_fd, "up", 0700);
        if (up < 0)
                return log_error_errno(up, "cannot copy the layer of container '%s': %m", s->name);
        progress_begin(&progress, s->name, s->total);
        r = layer_copy(from_up, up, s->name, &progress, &s->count);
        if (r < 0)
                return r;
        r = copy_stamps(from_fd, fd);
        if (r < 0)
                return log_error_errno(r, "cannot copy the layer of container '%s': %m", s->name);
        r = disk > 0 ? to_disk(up) : 0;
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* As a tag, or as RFC 3339 has it. */
static void format_now(bool tag, char ret[static 32]) {
        time_t now = time(NULL);
        struct tm tm;
        size_t n = 0;

        if (gmtime_r(&now, &tm))
                n = tag ? strftime(ret, 32, "%Y%m%d-%H%M%S", &tm)
                        : strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (n == 0)
                ret[0] = '\0';
}

static json_object *make_record(const Snapshot *s, const char *tag, int snapshot_fd) {
        _cleanup_free_ char *image = NULL, *digest = NULL;
        json_object *record = json_object_new_object();
        uint64_t disk;
        char now[32];

        if (!record)
                return NULL;
        (void) read_file_at(snapshot_fd, "name", STAMP_MAX, &image, NULL);
        (void) read_file_at(snapshot_fd, "image", STAMP_MAX, &digest, NULL);
        format_now(/* tag= */ false, now);
        json_add_string(record, "container", s->name);
        json_add_string(record, "tag", tag);
        json_add_string(record, "created", now);
        json_add_string(record, "image", image);
        json_add_string(record, "digest", digest && image && !streq(digest, image) ? digest : NULL);
        json_object_object_add(record, "entries", json_object_new_int64((int64_t) s->count.entries));
        json_object_object_add(record, "size", json_object_new_int64((int64_t) s->count.bytes));
        if (layer_disk_size(s->layer_fd, &disk) >= 0)
                json_object_object_add(record, "disk", json_object_new_int64((int64_t) disk));
        return record;
}

static int write_record(const Snapshot *s, const char *tag, int snapshot_fd, json_object **ret) {
        _cleanup_json_ json_object *record = make_record(s, tag, snapshot_fd);
        const char *text = record ? json_object_to_json_string(record) : NULL;
        int r;

        if (!text)
                return log_oom();
        r = write_file_at(snapshot_fd, "record.json", text, strlen(text), 0600);
        if (r < 0)
                return log_error_errno(r, "cannot write the snapshot: %m");
        *ret = TAKE_PTR(record);
        return 0;
}

int snapshot_copy_standing(Snapshot *s, const char *unfinished, int *ret_fd) {
        _cleanup_frozen_ Frozen frozen = FROZEN_NONE;
        int r;

        if (isatty(STDERR_FILENO)) /* while it still runs */
                s->total = layer_measure(s->files_fd, "up");
        if (!item_runs(&s->item))
                return copy_layer(s, s->layer_fd, s->files_fd, s->dir_fd, unfinished, 0, ret_fd);
        r = frozen_begin(&s->item, &frozen);
        if (r >= 0)
                r = copy_layer(s, s->layer_fd, s->files_fd, s->dir_fd, unfinished, 0, ret_fd);
        if (r >= 0)
                r = frozen_check(&s->item);
        return r < 0 ? r : frozen_end(&frozen);
}

static int create(Snapshot *s, const SubverbCall *call, const char *tag) {
        char unfinished[sizeof(SNAPSHOT_NEW) + 64], size[16];
        _cleanup_json_ json_object *record = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = snapshot_hold(s, call->operands[0], /* needs_layer= */ true, /* may_run= */ true);
        if (r < 0)
                return r;
        if (faccessat(s->dir_fd, tag, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return log_error_errno(EEXIST, "container '%s' has a snapshot '%s' already", s->name, tag);
        snprintf(unfinished, sizeof(unfinished), SNAPSHOT_NEW "%s", tag);
        r = snapshot_copy_standing(s, unfinished, &fd);
        if (r >= 0)
                r = write_record(s, tag, fd, &record);
        if (r >= 0)
                r = to_disk(fd);
        if (r >= 0 && renameat2(s->dir_fd, unfinished, s->dir_fd, tag, RENAME_NOREPLACE) < 0)
                r = log_error_errno(errno, "cannot name the snapshot: %m");
        if (r < 0) {
                (void) remove_tree(s->dir_fd, unfinished);
                return r;
        }
        r = to_disk(s->dir_fd);
        format_bytes(s->count.bytes, size);
        if (subverb_has(call, SNAPSHOT_JSON))
                print_json(record);
        else
                printf("%s: %s, %s\n", s->name, tag, size);
        return r;
}

int snapshot_verb_create(const SubverbCall *call) {
        _cleanup_hold_ Hold hold = HOLD_NONE;
        _cleanup_snapshot_ Snapshot s = SNAPSHOT_NONE;
        const char *tag = call->operands[1];
        char now[32];

        hold_begin(&hold);
        format_now(/* tag= */ true, now);
        tag = tag ? tag : now;
        return check_tag(tag) < 0 ? EXIT_USAGE : exit_status(create(&s, call, tag));
}

static int no_snapshot(const char *name, const char *tag) {
        _cleanup_close_ int dir_fd = name_valid(name, false) ? snapshot_open(name) : -ENOENT;
        _cleanup_strv_ char **tags = NULL;

        if (dir_fd >= 0)
                (void) snapshot_list(dir_fd, &tags);
        if (!tags && known_check(name) != EXIT_DONE)
                return -ENOENT;
        return tag ? log_error_errno(ENOENT,
                                     "container '%s' has no snapshot '%s', see berth snapshot list %s", name,
                                     tag, name)
                   : log_error_errno(ENOENT, "container '%s' has no snapshots", name);
}

static json_object *read_record(int dir_fd, const char *tag) {
        _cleanup_close_ int fd = openat(dir_fd, tag, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        json_object *record = NULL;

        return fd >= 0 && store_read_json(fd, "record.json", &record) >= 0 ? record : NULL;
}

/* The snapshot that is meant: the newest, where none is named. */
static int find_tag(const Snapshot *s, const char *tag, char **ret) {
        _cleanup_strv_ char **tags = NULL;
        _cleanup_free_ char *newest = NULL;
        int r;

        r = snapshot_list(s->dir_fd, &tags);
        if (r < 0)
                return log_error_errno(r, "cannot list the snapshots of container '%s': %m", s->name);
        for (char **t = tags; t && *t; t++) {
                _cleanup_json_ json_object *record = read_record(s->dir_fd, *t);
                const char *created = store_get_string(record, "created");

                if (tag ? streq(*t, tag) : created && (!newest || strcmp(created, newest) >= 0)) {
                        free(newest);
                        newest = created ? strdup(created) : NULL;
                        free(*ret);
                        *ret = strdup(*t);
                        if (!*ret || (created && !newest))
                                return log_oom();
                }
        }
        return *ret ? 0 : no_snapshot(s->name, tag);
}

/* How large the file system was that it was taken of, or 0. */
static uint64_t read_disk(int dir_fd, const char *tag) {
        _cleanup_json_ json_object *record = read_record(dir_fd, tag);
        json_object *value;

        return record && json_object_object_get_ex(record, "disk", &value)
                               ? (uint64_t) json_object_get_int64(value)
                               : 0;
}

/* The layer that was there stays until the new one is on disk and in its place. */
static int exchange(Snapshot *s, const char *unfinished) {
        unsigned flags = s->layer_fd >= 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE;

        if (renameat2(s->layers_fd, unfinished, s->layers_fd, s->name, flags) < 0)
                return log_error_errno(errno, "cannot put the layer of container '%s' into its place: %m",
                                       s->name);
        if (s->layer_fd < 0)
                return to_disk(s->layers_fd);
        if (to_disk(s->layers_fd) < 0) {
                (void) renameat2(s->layers_fd, unfinished, s->layers_fd, s->name, RENAME_EXCHANGE);
                return -EIO;
        }
        if (layer_quota_has(s->layer_fd))
                (void) layer_quota_set(s->layer_fd, 0, 0);
        if (aside_remove(s->layers_fd, unfinished) < 0)
                log_warning("what container '%s' had before could not be removed, berth clean will",
                            s->name);
        return 0;
}

static int restore(Snapshot *s, const SubverbCall *call) {
        const char *wanted = call->operands[1];
        char unfinished[sizeof(SNAPSHOT_NEW) + NAME_LENGTH_MAX];
        _cleanup_close_ int from_fd = -EBADF, fd = -EBADF, there_fd = -EBADF;
        _cleanup_free_ char *tag = NULL;
        int r;

        there_fd = name_valid(call->operands[0], false) ? snapshot_open(call->operands[0]) : -ENOENT;
        if (there_fd == -ENOENT) /* and none is made, for the lock alone */
                return no_snapshot(call->operands[0], wanted);
        r = snapshot_hold(s, call->operands[0], /* needs_layer= */ false, /* may_run= */ false);
        if (r >= 0)
                r = find_tag(s, wanted, &tag);
        if (r < 0)
                return r;
        from_fd = openat(s->dir_fd, tag, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (from_fd < 0)
                return log_error_errno(errno, "cannot open the snapshot '%s': %m", tag);
        snprintf(unfinished, sizeof(unfinished), SNAPSHOT_NEW "%s", s->name);
        if (isatty(STDERR_FILENO))
                s->total = layer_measure(from_fd, "up");
        r = copy_layer(s, from_fd, from_fd, s->layers_fd, unfinished, read_disk(s->dir_fd, tag), &fd);
        if (r >= 0)
                r = to_disk(fd);
        if (r >= 0)
                r = exchange(s, unfinished);
        if (r < 0) {
                (void) remove_tree(s->layers_fd, unfinished);
                return r;
        }
        if (subverb_has(call, SNAPSHOT_JSON)) {
                _cleanup_json_ json_object *record = read_record(s->dir_fd, tag);

                print_json(record);
        } else
                printf("%s: restored %s\n", s->name, tag);
        return 0;
}

int snapshot_verb_restore(const SubverbCall *call) {
        _cleanup_hold_ Hold hold = HOLD_NONE;
        _cleanup_snapshot_ Snapshot s = SNAPSHOT_NONE;

        hold_begin(&hold);
        return exit_status(restore(&s, call));
}

static int remove_snapshots(const SubverbCall *call, int dir_fd) {
        const char *name = call->operands[0], *tag = call->operands[1];
        _cleanup_json_ json_object *object = json_object_new_object();
        json_object *removed = json_object_new_array();
        _cleanup_strv_ char **tags = NULL;
        bool found = false;
        int r;

        if (!object || json_object_object_add(object, "tags", removed) < 0)
                return log_oom();
        json_add_string(object, "container", name);
        r = snapshot_list(dir_fd, &tags);
        for (char **t = tags; r >= 0 && t && *t; t++) {
                if (tag && !streq(*t, tag))
                        continue;
                found = true;
                r = aside_remove(dir_fd, *t);
                if (r >= 0)
                        json_object_array_add(removed, json_object_new_string(*t));
        }
        if (subverb_has(call, SNAPSHOT_JSON) && found)
                print_json(object);
        if (r < 0)
                return log_error_errno(r, "cannot remove snapshots of container '%s': %m", name);
        return found ? 0 : no_snapshot(name, tag);
}

int snapshot_verb_remove(const SubverbCall *call) {
        _cleanup_hold_ Hold hold = HOLD_NONE;
        const char *name = call->operands[0];
        _cleanup_close_ int dir_fd = -EBADF;

        if (!call->operands[1] == !subverb_has(call, SNAPSHOT_ALL)) {
                log_error("snapshot remove takes either a tag or --all");
                return EXIT_USAGE;
        }
        hold_begin(&hold);
        dir_fd = name_valid(name, false) ? snapshot_open(name) : -ENOENT;
        if (dir_fd == -ENOENT)
                return exit_status(no_snapshot(name, call->operands[1]));
        close_fd(dir_fd);
        dir_fd = snapshot_lock(name);
        if (dir_fd == -EBUSY)
                log_error("a snapshot of container '%s' is under way; try again", name);
        else if (dir_fd < 0)
                log_error_errno(dir_fd, "cannot open the snapshots of container '%s': %m", name);
        return dir_fd < 0 ? EXIT_FAILED : exit_status(remove_snapshots(call, dir_fd));
}

static int add_rows(const char *name, json_object *array, char ***cells) {
        _cleanup_close_ int dir_fd = snapshot_open(name);
        _cleanup_strv_ char **tags = NULL;
        int r;

        if (dir_fd < 0)
                return dir_fd == -ENOENT ? 0 : dir_fd;
        r = snapshot_list(dir_fd, &tags);
        for (char **tag = tags; r >= 0 && tag && *tag; tag++) {
                json_object *record = read_record(dir_fd, *tag), *value;
                const char *row[5] = { name, *tag, store_get_string(record, "created"), "-",
                                       store_get_string(record, "image") };
                char size[16];

                if (record && json_object_object_get_ex(record, "size", &value)) {
                        format_bytes((uint64_t) json_object_get_int64(value), size);
                        row[3] = size;
                }
                for (size_t i = 0; r >= 0 && i < ARRAY_LEN(row); i++)
                        r = strv_append(cells, row[i] ? row[i] : "-");
                if (record && json_append(array, record) < 0)
                        r = -ENOMEM;
        }
        return r;
}

int snapshot_verb_list(const SubverbCall *call) {
        static const char *const headings[] = { "CONTAINER", "TAG", "CREATED", "SIZE", "IMAGE" };
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_strv_ char **names = NULL, **cells = NULL;
        const char *only = call->operands[0];
        int r = array ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && !subverb_has(call, SNAPSHOT_NO_LEGEND) && i < ARRAY_LEN(headings); i++)
                r = strv_append(&cells, headings[i]);
        if (r >= 0)
                r = only ? strv_append(&names, only) : snapshot_containers(&names);
        for (char **name = names; r >= 0 && name && *name; name++)
                if (name_valid(*name, false))
                        r = add_rows(*name, array, &cells);
        if (r < 0)
                return log_error_errno(r, "cannot list the snapshots: %m"), EXIT_FAILED;
        if (only && json_object_array_length(array) == 0 && known_check(only) != EXIT_DONE)
                return EXIT_NO_SUCH;
        if (subverb_has(call, SNAPSHOT_JSON))
                print_json(array);
        else
                print_table(cells, ARRAY_LEN(headings));
        return EXIT_DONE;
}
