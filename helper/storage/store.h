/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "common/base.h"

/* The image store: what is where below /var/lib/berth/images, and in which order it changes, so that whoever looks
 * at any moment, and after any kill, finds an image whole or not at all.
 *
 *   ID                            -> .store/names/ID/root         never changes once it is there
 *   ID.json                       -> .store/names/ID/config.json  the same
 *   ID.env                        the administrator's
 *   .store/                       0700
 *     lock                        held for every change of what is below
 *     names/ID                    -> ../entries/ENTRY: replaced by one rename, root and configuration together
 *     entries/ENTRY/              an imported image; ENTRY is ID@ and 12 digits of its digest, .N if that is taken
 *       root/ config.json         the tree (or a file: a disk image), and what becomes ID.json
 *       listing record.json       what verify compares (of a tree), and what import knew
 *     new-XXXXXXXXXXXX/           an import at work: it holds a lock on lock in there
 *     dead-XXXXXXXXXXXX/          being removed
 *
 * An entry that no name leads to is old: it goes with prune, once no container uses it. What stands at ID without
 * leading into .store was put there by hand, and is only removed when asked for by name.
 *
 * Writes reach the disk before the name that makes them visible: one syncfs(2) when an import is complete, then an
 * fsync(2) of each directory in which a name was changed. */

#define STORE_ENTRY_MAX 256

typedef struct Store {
        int fd;       /* images */
        int store_fd; /* .store */
        int names_fd, entries_fd;
        int lock_fd;
} Store;

#define STORE_NONE                                                                          \
        (Store) {                                                                           \
                .fd = -EBADF, .store_fd = -EBADF, .names_fd = -EBADF, .entries_fd = -EBADF, \
                .lock_fd = -EBADF                                                           \
        }

/* Opens it, and makes what is missing. Logs. */
int store_open(Store *ret);
void store_done(Store *store);
#define _cleanup_store_ _cleanup_(store_done)

/* Until store_unlock() or the end. Logs. */
int store_lock(Store *store);
void store_unlock(Store *store);

/* An ID that an import may have: one that cannot be taken for another image's .json or .env. */
bool store_id_valid(const char *id);

/* An import at work. */
typedef struct StoreImport {
        char name[32]; /* in .store */
        int fd;
        int lock_fd;
} StoreImport;

/* Makes its directory, with root.0 and root.1 in it. The store must not be locked. Logs. */
int store_begin(Store *store, StoreImport *ret);

/* Makes root.WHICH its root, drops the other, and waits until all is on disk. Logs. */
int store_settle(StoreImport *import, unsigned which);

/* Makes the directory an entry; digest is text, names[0] is the ID, the others lead there as well. The store must be
 * locked. Logs. */
int store_commit(Store *store, StoreImport *import, const char *digest, char *const *names);

/* Removes it, if it was not committed. */
void store_abort(Store *store, StoreImport *import);

/* What there is at ID. */
typedef enum StoreKind {
        STORE_ABSENT,
        STORE_IMPORTED,
        STORE_LINK, /* somewhere else */
        STORE_DIRECTORY,
        STORE_FILE, /* a disk image */
} StoreKind;

typedef struct StoreImage {
        StoreKind kind;
        char entry[STORE_ENTRY_MAX]; /* if imported */
        char *target;                /* of a link somewhere else; owned */
} StoreImage;

void store_image_done(StoreImage *image);
#define _cleanup_store_image_ _cleanup_(store_image_done)

/* Looks at ID. Logs. */
int store_look(const Store *store, const char *id, StoreImage *ret);

/* All IDs there are, sorted; all entries. Logs. */
int store_list(const Store *store, char ***ret);
int store_list_entries(const Store *store, char ***ret);

/* Logs that there is no image of that ID, and what may have been meant. EXIT_NO_SUCH. */
int store_refuse(const Store *store, const char *id);

/* The IDs that lead to an entry. Logs. */
int store_names_of(const Store *store, const char *entry, char ***ret);

/* Removes what makes ID an image, its metadata too; a directory with all its files. An imported one's entry stays.
 * The store must be locked. Logs. */
int store_remove_name(Store *store, const char *id);

/* Removes an entry. The store must be locked. Logs. */
int store_remove_entry(Store *store, const char *entry);

/* Removes what killed imports and removals left, and names of which only a part was made. Locks the store for
 * itself. Returns the number of them. Logs. */
int store_sweep(Store *store);

/* The same for who has no store open; where there is none nothing is made. Logs. */
int store_clean(void);

/* Opens ENTRY. Does not log. */
int store_open_entry(const Store *store, const char *entry);

/* Reads a JSON file of an entry, or ID.json; an object. Caller puts it. Does not log. */
int store_read_json(int dir_fd, const char *path, json_object **ret);

/* The string member name of object, or NULL. */
const char *store_get_string(json_object *object, const char *name);
