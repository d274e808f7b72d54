/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/extract.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/xattr.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "helper/storage/acl.h"
#include "helper/storage/archive-path.h"
#include "helper/storage/numbers.h"
#include "helper/text/printable.h"

struct Extract {
        int root_fd;
        ExtractLimits limits;
        ExtractCount count;
        const char *what;
        Progress *progress;
        bool layer, first; /* first: there is nothing below to be removed */
        Numbers times;     /* of directories, by the hash of their paths: text */
        Numbers ours;      /* hashes of the paths that this layer made, directories on the way to them too */

        /* The entry at hand. */
        char path[PATH_MAX];
        uint64_t size, end; /* end: of what was written */
};

/* An entry's place: its directory, opened without following anything, and its name in it. */
typedef struct Place {
        int fd;
        const char *leaf;
} Place;

static void place_done(Place *place) {
        close_fd(place->fd);
}
#define _cleanup_place_ _cleanup_(place_done)

Extract *extract_new(int root_fd, const ExtractLimits *limits) {
        Extract *x = calloc(1, sizeof(Extract));

        if (!x)
                return NULL;
        x->root_fd = root_fd;
        x->limits = *limits;
        x->first = true;
        return x;
}

Extract *extract_free(Extract *x) {
        if (x) {
                numbers_done(&x->times);
                numbers_done(&x->ours);
        }
        free(x);
        return NULL;
}

void extract_begin(Extract *x, const char *what, bool layer, Progress *progress) {
        /* Without anything extracted yet there is nothing that a whiteout could mean. */
        x->first = x->count.entries == 0;
        x->what = what;
        x->layer = layer;
        x->progress = progress;
        numbers_done(&x->ours);
}

const ExtractCount *extract_count(const Extract *x) {
        return &x->count;
}

/* What a message begins with; it stands in the place of the progress bar. */
static const char *source(const Extract *x) {
        progress_clear(x->progress);
        return x->what;
}

static int refuse(const Extract *x, const char *name, const char *why) {
        return log_error_errno(EBADMSG, "%s: '%s': %s, refused", source(x), shown(name).text, why);
}

static int failed(const Extract *x, int error, const char *doing) {
        return log_error_errno(error, "%s: '%s': cannot %s: %m", source(x), shown(x->path).text, doing);
}

/* Says which part of directory parent, on the way to path, is something else. */
static int refuse_parent(const Extract *x, const char *path, const char *parent) {
        bool hardlink = !streq(path, x->path);
        char part[PATH_MAX];

        for (size_t n = strcspn(parent, "/");; n += 1 + strcspn(parent + n + 1, "/")) {
                struct stat st;

                memcpy(part, parent, n);
                part[n] = '\0';
                if (fstatat(x->root_fd, part, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
                        return log_error_errno(
                                        EBADMSG, "%s: '%s': %s%s%sleads through '%s', %s, refused",
                                        source(x), shown(x->path).text, hardlink ? "a hard link to '" : "",
                                        hardlink ? shown(path).text : "", hardlink ? "', which " : "",
                                        shown(part).text,
                                        S_ISLNK(st.st_mode) ? "a symbolic link" : "which is no directory");
                if (parent[n] == '\0')
                        return refuse(x, path, "leads through what is no directory");
        }
}

/* Makes directory path part by part where it is missing. Its own entry, which says what it is to be, may follow. */
static int make_parents(Extract *x, const char *path) {
        _cleanup_close_ int at = openat(x->root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        char name[NAME_MAX + 1];

        if (at < 0)
                return -errno;
        for (const char *p = path; *p;) {
                size_t n = strcspn(p, "/");
                int next;

                memcpy(name, p, n);
                name[n] = '\0';
                if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
                        return -errno;
                next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (next < 0)
                        return -errno;
                close_fd(at);
                at = next;
                p += n;
                p += strspn(p, "/");
        }
        return TAKE_FD(at);
}

/* Finds the place of path, which is normalised and not the root. With make missing directories are made. ret->fd is
 * -EBADF if the directory is not there. */
static int open_place(Extract *x, const char *path, bool make, Place *ret) {
        const char *slash = strrchr(path, '/');
        char parent[PATH_MAX];
        int fd;

        if (!slash) {
                fd = openat(x->root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        return failed(x, errno, "open the root");
                *ret = (Place){ .fd = fd, .leaf = path };
                return 0;
        }
        memcpy(parent, path, (size_t) (slash - path));
        parent[slash - path] = '\0';
        fd = open_beneath(x->root_fd, parent, O_PATH | O_DIRECTORY);
        if (fd == -ENOENT) {
                if (!make) {
                        *ret = (Place){ .fd = -EBADF, .leaf = slash + 1 };
                        return 0;
                }
                fd = make_parents(x, parent);
        }
        if (fd == -ELOOP || fd == -ENOTDIR)
                return refuse_parent(x, path, parent);
        if (fd < 0)
                return failed(x, fd, "open its directory");
        *ret = (Place){ .fd = fd, .leaf = slash + 1 };
        return 0;
}

/* Notes that this layer made path, and with it the directories on the way. */
static int note_ours(Extract *x, const char *path) {
        if (!x->layer || x->first)
                return 0;
        for (size_t n = strlen(path); n > 0;) {
                if (numbers_add(&x->ours, numbers_hash(path, n), NULL) < 0)
                        return log_oom();
                while (n > 0 && path[n - 1] != '/')
                        n--;
                n -= n > 0;
        }
        return 0;
}

/* Whiteouts: removal of what lower layers made. */

static int remove_lower(Extract *x, int dir_fd, const char *leaf, const char *path);

static int join(char path[static PATH_MAX], const char *directory, const char *name) {
        int n = streq(directory, ".") ? snprintf(path, PATH_MAX, "%s", name)
                                      : snprintf(path, PATH_MAX, "%s/%s", directory, name);

        return n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Removes what is in directory path, but not what this layer made there. */
static int remove_lower_content(Extract *x, int dir_fd, const char *leaf, const char *path) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = directory_open(dir_fd, leaf, O_NOFOLLOW, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0) {
                char child[PATH_MAX];

                r = join(child, path, entry->d_name);
                if (r >= 0)
                        r = remove_lower(x, dirfd(dir), entry->d_name, child);
        }
        return r;
}

static int remove_lower(Extract *x, int dir_fd, const char *leaf, const char *path) {
        struct stat st;

        if (fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!numbers_contains(&x->ours, numbers_hash(path, strlen(path))))
                return remove_tree(dir_fd, leaf);
        return S_ISDIR(st.st_mode) ? remove_lower_content(x, dir_fd, leaf, path) : 0;
}

static int apply_opaque(Extract *x, int dir_fd) {
        char directory[PATH_MAX];
        const char *slash = strrchr(x->path, '/');

        if (slash) {
                memcpy(directory, x->path, (size_t) (slash - x->path));
                directory[slash - x->path] = '\0';
        } else
                strcpy(directory, ".");
        return remove_lower_content(x, dir_fd, ".", directory);
}

static int apply_whiteout(Extract *x, Whiteout whiteout, const char *name) {
        _cleanup_place_ Place place = { .fd = -EBADF };
        char path[PATH_MAX];
        int r;

        r = open_place(x, x->path, /* make= */ false, &place);
        if (r < 0 || place.fd < 0 || x->first)
                return r;
        if (whiteout == WHITEOUT_OPAQUE)
                r = apply_opaque(x, place.fd);
        else if (whiteout == WHITEOUT_NAME) {
                memcpy(path, x->path, (size_t) (place.leaf - x->path));
                strcpy(path + (place.leaf - x->path), name);
                r = remove_lower(x, place.fd, name, path);
        }
        return r < 0 ? failed(x, r, "remove what it hides") : 0;
}

/* Returns 1 if the entry was a whiteout. */
static int try_whiteout(Extract *x) {
        const char *leaf = strrchr(x->path, '/'), *name = NULL;
        Whiteout whiteout;
        int r;

        leaf = leaf ? leaf + 1 : x->path;
        /* Only the last part may be one: a directory of that name would be made of a removal. */
        for (const char *part = x->path; part < leaf; part += strcspn(part, "/") + 1)
                if (startswith(part, ".wh."))
                        return refuse(x, x->path, "below a directory that is a whiteout");
        whiteout = archive_path_whiteout(leaf, &name);
        if (whiteout == WHITEOUT_NONE)
                return 0;
        if (whiteout == WHITEOUT_INVALID)
                return refuse(x, x->path, "a whiteout of nothing, of '.' or of '..'");
        r = apply_whiteout(x, whiteout, name);
        return r < 0 ? r : 1;
}

/* Owner, mode, attributes and times, in this order: changing the owner takes set-uid bits and capabilities away. */

bool extract_keeps(const char *name) {
        if (streq(name, "security.capability") || acl_is(name))
                return true;
        return startswith(name, "user.") && !startswith(name, "user.overlay.");
}

static int set_attributes(Extract *x, int fd, const ExtractEntry *entry) {
        for (size_t i = 0; i < entry->n_attributes; i++) {
                const ExtractAttribute *attribute = &entry->attributes[i];

                if (!extract_keeps(attribute->name)) {
                        x->count.attributes++;
                        continue;
                }
                if (fsetxattr(fd, attribute->name, attribute->value, attribute->size, 0) < 0) {
                        /* a right that the extracting process does not have over anyone is not for the file */
                        if (errno == EPERM && streq(attribute->name, "security.capability")) {
                                x->count.attributes++;
                                continue;
                        }
                        return log_error_errno(errno, "%s: '%s': cannot set attribute '%s': %m", source(x),
                                               shown(x->path).text, shown(attribute->name).text);
                }
        }
        return 0;
}

/* What a directory has that an earlier entry made, and the access lists that its own directory has given to what is new:
 * the entry says all of what it is to be. */
static int clear_attributes(Extract *x, int fd) {
        char names[65536];
        ssize_t n = flistxattr(fd, names, sizeof(names));

        for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1)
                if (extract_keeps(name) && fremovexattr(fd, name) < 0)
                        return failed(x, errno, "remove its attributes");
        return n < 0 && errno != ENOTSUP ? failed(x, errno, "read its attributes") : 0;
}

static int set_metadata(Extract *x, int fd, const ExtractEntry *entry) {
        const struct timespec times[2] = { entry->mtime, entry->mtime };
        int r;

        if (fchown(fd, (uid_t) entry->uid, (gid_t) entry->gid) < 0)
                return failed(x, errno, "set its owner");
        r = clear_attributes(x, fd);
        if (r < 0)
                return r;
        if (fchmod(fd, entry->mode & 07777) < 0)
                return failed(x, errno, "set its mode");
        r = set_attributes(x, fd, entry);
        if (r < 0)
                return r;
        return futimens(fd, times) < 0 ? failed(x, errno, "set its time") : 0;
}

static int set_metadata_at(Extract *x, const Place *place, const ExtractEntry *entry) {
        const struct timespec times[2] = { entry->mtime, entry->mtime };

        x->count.attributes += entry->n_attributes;
        if (fchownat(place->fd, place->leaf, (uid_t) entry->uid, (gid_t) entry->gid, AT_SYMLINK_NOFOLLOW) <
            0)
                return failed(x, errno, "set its owner");
        if (utimensat(place->fd, place->leaf, times, AT_SYMLINK_NOFOLLOW) < 0)
                return failed(x, errno, "set its time");
        return 0;
}

/* The kinds of entries. */

static int note_time(Extract *x, const ExtractEntry *entry) {
        char text[48];

        snprintf(text, sizeof(text), "%lld %ld", (long long) entry->mtime.tv_sec, entry->mtime.tv_nsec);
        return numbers_set(&x->times, numbers_hash(x->path, strlen(x->path)), text) < 0 ? log_oom() : 0;
}

struct timespec extract_directory_time(const Extract *x, const char *path) {
        const char *text = numbers_get(&x->times, numbers_hash(path, strlen(path)));
        struct timespec time = {};
        char *end;

        if (text) {
                time.tv_sec = strtoll(text, &end, 10);
                time.tv_nsec = strtol(end, NULL, 10);
        }
        return time;
}

static int extract_directory(Extract *x, const Place *place, const ExtractEntry *entry) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        bool there;
        int r;

        there = fstatat(place->fd, place->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (there && !S_ISDIR(st.st_mode)) {
                if (unlinkat(place->fd, place->leaf, 0) < 0)
                        return failed(x, errno, "replace what was there");
                there = false;
        }
        if (!there && mkdirat(place->fd, place->leaf, 0700) < 0)
                return failed(x, errno, "make the directory");
        fd = openat(place->fd, place->leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return failed(x, errno, "open the directory");
        r = set_metadata(x, fd, entry);
        return r < 0 ? r : note_time(x, entry);
}

static int extract_root(Extract *x, const ExtractEntry *entry) {
        _cleanup_close_ int fd = openat(x->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (fd < 0)
                return failed(x, errno, "open it");
        r = set_metadata(x, fd, entry);
        return r < 0 ? r : note_time(x, entry);
}

/* Clears the place for what is not a directory. */
static int remove_old(Extract *x, const Place *place) {
        int r = unlinkat(place->fd, place->leaf, 0) < 0 ? -errno : 0;

        if (r == -EISDIR || r == -EPERM)
                r = remove_tree(place->fd, place->leaf);
        return r < 0 && r != -ENOENT ? failed(x, r, "replace what was there") : 0;
}

static int create_file(const Place *place) {
        int fd = openat(place->fd, place->leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        return fd < 0 ? -errno : fd;
}

static int extract_file(Extract *x, const Place *place, const ExtractEntry *entry, ExtractContent content,
                        void *userdata) {
        _cleanup_close_ int fd = create_file(place);
        int r;

        if (fd == -EEXIST) {
                r = remove_old(x, place);
                if (r < 0)
                        return r;
                fd = create_file(place);
        }
        if (fd < 0)
                return failed(x, fd, "make the file");
        x->size = entry->size;
        x->end = 0;
        if (entry->size > 0) {
                r = content(x, fd, userdata);
                if (r < 0)
                        return r; /* logged */
        }
        /* a hole at the end */
        if (x->end < entry->size && ftruncate(fd, (off_t) entry->size) < 0)
                return failed(x, errno, "set its size");
        return set_metadata(x, fd, entry);
}

int extract_write(Extract *x, int fd, const void *data, size_t size, uint64_t offset) {
        const char *p = data;

        if (offset > x->size || size > x->size - offset)
                return refuse(x, x->path, "has more content than its size says");
        while (size > 0) {
                ssize_t n = pwrite(fd, p, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed(x, errno, "write");
                p += n;
                size -= (size_t) n;
                offset += (uint64_t) n;
        }
        x->end = MAX(x->end, offset);
        return 0;
}

static int extract_link(Extract *x, const Place *place, const ExtractEntry *entry) {
        if (!entry->target || entry->target[0] == '\0')
                return refuse(x, x->path, "a symbolic link to nothing");
        if (symlinkat(entry->target, place->fd, place->leaf) < 0)
                return failed(x, errno, "make the link");
        return set_metadata_at(x, place, entry);
}

static int extract_fifo(Extract *x, const Place *place, const ExtractEntry *entry) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (mkfifoat(place->fd, place->leaf, 0600) < 0)
                return failed(x, errno, "make the FIFO");
        /* O_NONBLOCK: for reading it opens at once */
        fd = openat(place->fd, place->leaf, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return failed(x, errno, "open the FIFO");
        if (!S_ISFIFO(st.st_mode))
                return failed(x, ESTALE, "open what was a FIFO a moment ago");
        return set_metadata(x, fd, entry);
}

static int skip(Extract *x, uint64_t *counter, const char *what) {
        if ((*counter)++ == 0)
                log_warning("%s: '%s': %s left out, and all others with it", source(x), shown(x->path).text,
                            what);
        return 0;
}

static int extract_hardlink(Extract *x, const Place *place, const ExtractEntry *entry) {
        _cleanup_place_ Place from = { .fd = -EBADF };
        char target[PATH_MAX];
        struct stat st, old;
        const char *wrong;
        int r;

        wrong = archive_path_normalise(entry->hardlink, target);
        if (wrong)
                return log_error_errno(EBADMSG, "%s: '%s': a hard link to '%s', %s, refused", source(x),
                                       shown(x->path).text, shown(entry->hardlink).text, wrong);
        r = open_place(x, target, /* make= */ false, &from);
        if (r < 0)
                return r;
        if (from.fd < 0 || fstatat(from.fd, from.leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return log_error_errno(EBADMSG, "%s: '%s': a hard link to '%s', which is not there, refused",
                                       source(x), shown(x->path).text, shown(target).text);
        if (!S_ISREG(st.st_mode))
                return log_error_errno(EBADMSG,
                                       "%s: '%s': a hard link to '%s', which is no regular file, refused",
                                       source(x), shown(x->path).text, shown(target).text);
        if (fstatat(place->fd, place->leaf, &old, AT_SYMLINK_NOFOLLOW) == 0 && old.st_ino == st.st_ino &&
            old.st_dev == st.st_dev)
                return 0; /* it is that file already, and removing it first could be the end of both */
        r = remove_old(x, place);
        if (r < 0)
                return r;
        /* no AT_SYMLINK_FOLLOW: what was just seen to be a regular file is what is linked */
        if (linkat(from.fd, from.leaf, place->fd, place->leaf, 0) < 0)
                return failed(x, errno, "make the hard link");
        return 0;
}

static int extract_at(Extract *x, const Place *place, const ExtractEntry *entry, ExtractContent content,
                      void *userdata) {
        int r;

        if (entry->hardlink)
                return extract_hardlink(x, place, entry);
        if (S_ISDIR(entry->mode))
                return extract_directory(x, place, entry);
        if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode))
                return skip(x, &x->count.devices, "a device,");
        if (S_ISSOCK(entry->mode))
                return skip(x, &x->count.sockets, "a socket,");
        if (!S_ISREG(entry->mode) && !S_ISLNK(entry->mode) && !S_ISFIFO(entry->mode))
                return refuse(x, x->path, "of a kind that is not known");
        if (S_ISREG(entry->mode))
                return extract_file(x, place, entry, content, userdata);
        r = remove_old(x, place);
        if (r < 0)
                return r;
        return S_ISLNK(entry->mode) ? extract_link(x, place, entry) : extract_fifo(x, place, entry);
}

static int check_limits(Extract *x, const ExtractEntry *entry) {
        if (x->count.entries >= x->limits.entries)
                return log_error_errno(E2BIG, "%s: more than %" PRIu64 " entries, refused (--max-entries=)",
                                       source(x), x->limits.entries);
        x->count.entries++;
        if (entry->size > x->limits.bytes - x->count.bytes)
                return log_error_errno(EFBIG,
                                       "%s: more than %" PRIu64 " bytes unpacked, refused (--max-size=)",
                                       source(x), x->limits.bytes);
        x->count.bytes += entry->size;
        if (entry->uid >= UINT32_MAX || entry->gid >= UINT32_MAX)
                return refuse(x, entry->path, "an owner that is no user id");
        if (entry->mtime.tv_nsec < 0 || entry->mtime.tv_nsec >= 1000000000)
                return refuse(x, entry->path, "a time that is none");
        return 0;
}

int extract_entry(Extract *x, const ExtractEntry *entry, ExtractContent content, void *userdata) {
        _cleanup_place_ Place place = { .fd = -EBADF };
        const char *wrong;
        int r;

        r = check_limits(x, entry);
        if (r < 0)
                return r;
        wrong = archive_path_normalise(entry->path, x->path);
        if (wrong)
                return refuse(x, entry->path, wrong);
        if (streq(x->path, ".")) {
                if (entry->hardlink || !S_ISDIR(entry->mode))
                        return refuse(x, entry->path, "the root itself, and no directory");
                return extract_root(x, entry);
        }
        if (x->layer) {
                r = try_whiteout(x);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        r = open_place(x, x->path, /* make= */ true, &place);
        if (r < 0)
                return r;
        r = extract_at(x, &place, entry, content, userdata);
        return r < 0 ? r : note_ours(x, x->path);
}
