/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "common/directory.h"
#include "common/log.h"
#include "helper/storage/acl.h"
#include "helper/storage/archive-path.h"
#include "helper/storage/numbers.h"
#include "helper/text/printable.h"

#define READ_SIZE      ((size_t) 256 * 1024)
#define BLOCK_BYTES    65536
#define NAMES_SIZE_MAX 65536 /* XATTR_LIST_MAX, and XATTR_SIZE_MAX */
#define HOLES_MAX      65536 /* more of them are written as zeros */

typedef struct Packing {
        const Pack *pack;
        struct archive *archive;
        struct archive_entry *entry;
        Numbers links; /* inodes with several names: the first of them */
        char *buffer, *names, *value;
        uint64_t entries, bytes;
        uint64_t skipped, unknown;
} Packing;

static void packing_done(Packing *p) {
        archive_write_free(p->archive);
        archive_entry_free(p->entry);
        numbers_done(&p->links);
        free(p->buffer);
        free(p->names);
        free(p->value);
}
#define _cleanup_packing_ _cleanup_(packing_done)

static int failed(const Packing *p, int error, const char *path, const char *doing) {
        progress_clear(p->pack->progress);
        return log_error_errno(error, "%s: '%s': cannot %s: %m", p->pack->what, shown(path).text, doing);
}

/* Whoever reads the archive and has gone has said why. */
static int archive_failed(const Packing *p) {
        int error = archive_errno(p->archive);

        if (error == EPIPE)
                return -EPIPE;
        progress_clear(p->pack->progress);
        return log_error_errno(error > 0 ? error : EIO, "%s: cannot write the archive: %s", p->pack->what,
                               archive_error_string(p->archive));
}

/* What the kernel makes up: there is no end to it, and none of it is a file to keep. */
static bool is_made_up(int fd) {
        static const unsigned types[] = {
                PROC_SUPER_MAGIC,
                SYSFS_MAGIC,
                CGROUP_SUPER_MAGIC,
                CGROUP2_SUPER_MAGIC,
                DEVPTS_SUPER_MAGIC,
                SECURITYFS_MAGIC,
                DEBUGFS_MAGIC,
                TRACEFS_MAGIC,
                BPF_FS_MAGIC,
                PSTOREFS_MAGIC,
                EFIVARFS_MAGIC,
                SELINUX_MAGIC,
                BINFMTFS_MAGIC,
                AUTOFS_SUPER_MAGIC,
                NSFS_MAGIC,
                0x62656570 /* configfs */,
                0x65735543 /* fusectl */,
                0x19800202 /* mqueue */,
        };
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return true;
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
                if ((unsigned) fs.f_type == types[i])
                        return true;
        return false;
}

/* An access list names users, and --owner= says that theirs are not meant. */
static int add_acl(Packing *p, const char *name, size_t size, const char *path) {
        int r;

        if (p->pack->owner) {
                r = streq(name, ACL_ACCESS) ? acl_reduce(p->value, size, archive_entry_mode(p->entry)) : 0;
                if (r > 0)
                        archive_entry_set_mode(p->entry, (mode_t) r);
        } else
                r = acl_pack(p->entry, name, p->value, size);
        if (r < 0)
                return failed(p, r, path, "read its access list");
        if (p->pack->owner || r == 0 || p->unknown++ > 0)
                return 0;
        progress_clear(p->pack->progress);
        log_warning("%s: '%s': its access list names users that have no number here; these lines are left out, and "
                    "all others with them",
                    p->pack->what, shown(path).text);
        return 0;
}

static int add_attributes(Packing *p, int fd, const char *path) {
        ssize_t n = flistxattr(fd, p->names, NAMES_SIZE_MAX);

        if (n < 0)
                return errno == ENOTSUP ? 0 : failed(p, errno, path, "read its attributes");
        for (const char *name = p->names; name < p->names + n; name += strlen(name) + 1) {
                ssize_t k;

                /* security.capability is for nobody outside of the image that it stands in */
                if (!extract_keeps(name) || startswith(name, "security."))
                        continue;
                k = fgetxattr(fd, name, p->value, NAMES_SIZE_MAX);
                if (k < 0 && errno == ENODATA)
                        continue; /* gone since */
                if (k < 0)
                        return failed(p, errno, path, "read its attributes");
                if (acl_is(name)) {
                        int r = add_acl(p, name, (size_t) k, path);

                        if (r < 0)
                                return r;
                } else
                        archive_entry_xattr_add_entry(p->entry, name, p->value, (size_t) k);
        }
        return 0;
}

static int begin_entry(Packing *p, const char *path, const struct stat *st) {
        const Pack *pack = p->pack;
        mode_t mode = st->st_mode;

        if (p->entries++ >= pack->limits.entries)
                return log_error_errno(E2BIG, "%s: more than %" PRIu64 " files, refused", pack->what,
                                       pack->limits.entries);
        if (pack->no_set_id && !S_ISDIR(mode))
                mode &= ~(mode_t) 06000;
        archive_entry_clear(p->entry);
        archive_entry_copy_pathname(p->entry, path);
        archive_entry_set_mode(p->entry, mode);
        archive_entry_set_uid(p->entry, pack->owner ? *pack->owner : st->st_uid);
        archive_entry_set_gid(p->entry, pack->group ? *pack->group : st->st_gid);
        archive_entry_set_mtime(p->entry, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
        archive_entry_set_size(p->entry, 0);
        return 0;
}

static int write_header(Packing *p, const char *path) {
        int k = archive_write_header(p->archive, p->entry);

        if (k == ARCHIVE_OK || k == ARCHIVE_WARN) /* a name that is no UTF-8, which it keeps as bytes */
                return 0;
        if (archive_errno(p->archive) == EPIPE)
                return -EPIPE;
        progress_clear(p->pack->progress);
        return log_error_errno(EIO, "%s: '%s': cannot be written to the archive: %s", p->pack->what,
                               shown(path).text, archive_error_string(p->archive));
}

/* Tells the archive where there is data. */
static int add_holes(Packing *p, int fd, const char *path, off_t size) {
        off_t at = 0;

        for (unsigned n = 0; at < size; n++) {
                off_t data = lseek(fd, at, SEEK_DATA), hole;

                if (data < 0 && errno == ENXIO)
                        data = size;
                hole = data < 0 ? -1 : data < size ? lseek(fd, data, SEEK_HOLE) : size;
                if (hole < 0)
                        return failed(p, errno, path, "look for its holes");
                hole = MIN(hole, size);
                if (n == 0 && data == 0 && hole == size)
                        return 0; /* there are none */
                if (n >= HOLES_MAX) {
                        data = at;
                        hole = size;
                }
                if (data < hole || hole == size)
                        archive_entry_sparse_add_entry(p->entry, data, hole - data);
                at = hole;
        }
        return 0;
}

/* Of holes libarchive wants to see the zeros as well, and drops them. */
static int write_content(Packing *p, int fd, const char *path, off_t size) {
        off_t at = 0;

        while (at < size) {
                ssize_t n = pread(fd, p->buffer, MIN(READ_SIZE, (size_t) (size - at)), at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed(p, errno, path, "read");
                if (n == 0)
                        return failed(p, ESTALE, path, "read all of it, it shrinks");
                if (archive_write_data(p->archive, p->buffer, (size_t) n) != n)
                        return archive_failed(p);
                progress_add(p->pack->progress, (uint64_t) n);
                at += n;
        }
        return 0;
}

static int pack_file(Packing *p, int path_fd, const char *path, const struct stat *st) {
        _cleanup_close_ int fd = -EBADF;
        uint64_t inode = numbers_of_inode(st->st_dev, st->st_ino);
        const char *first = st->st_nlink > 1 ? numbers_get(&p->links, inode) : NULL;
        int r;

        r = begin_entry(p, path, st);
        if (r < 0)
                return r;
        if (first) {
                archive_entry_copy_hardlink(p->entry, first);
                return write_header(p, path);
        }
        if (st->st_nlink > 1 && numbers_add(&p->links, inode, path) < 0)
                return log_oom();
        if ((uint64_t) st->st_size > p->pack->limits.bytes - p->bytes)
                return log_error_errno(EFBIG, "%s: more than %" PRIu64 " bytes, refused (--max-size=)",
                                       p->pack->what, p->pack->limits.bytes);
        p->bytes += (uint64_t) st->st_size;
        fd = inside_reopen(p->pack->inside, path_fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return failed(p, fd, path, "open");
        archive_entry_set_size(p->entry, st->st_size); /* holes beyond it are not taken */
        r = add_attributes(p, fd, path);
        if (r >= 0)
                r = add_holes(p, fd, path, st->st_size);
        if (r >= 0)
                r = write_header(p, path);
        return r < 0 ? r : write_content(p, fd, path, st->st_size);
}

static int pack_link(Packing *p, int path_fd, const char *path, const struct stat *st) {
        char target[PATH_MAX];
        ssize_t n;
        int r;

        n = readlinkat(path_fd, "", target, sizeof(target) - 1);
        if (n < 0)
                return failed(p, errno, path, "read the link");
        target[n] = '\0';
        r = begin_entry(p, path, st);
        if (r < 0)
                return r;
        archive_entry_copy_symlink(p->entry, target);
        return write_header(p, path);
}

static int pack_entry(Packing *p, int dir_fd, const char *name, const char *path, unsigned depth);

static int pack_content(Packing *p, int fd, const char *path, unsigned depth) {
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = directory_open(fd, ".", 0, &dir);
        if (r < 0)
                return failed(p, r, path, "read the directory");
        while ((r = directory_next(dir, &entry)) > 0) {
                _cleanup_free_ char *child = NULL;

                if (asprintf(&child, "%s/%s", path, entry->d_name) < 0)
                        return log_oom();
                r = pack_entry(p, fd, entry->d_name, child, depth + 1);
                if (r < 0)
                        return r;
        }
        return r < 0 ? failed(p, r, path, "read the directory") : 0;
}

static int pack_directory(Packing *p, int path_fd, const char *path, const struct stat *st, unsigned depth) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (depth > ARCHIVE_DEPTH_MAX)
                return failed(p, ELOOP, path, "go deeper");
        fd = inside_reopen(p->pack->inside, path_fd, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return failed(p, fd, path, "open the directory");
        r = begin_entry(p, path, st);
        if (r >= 0)
                r = add_attributes(p, fd, path);
        if (r >= 0)
                r = write_header(p, path);
        if (r >= 0 && !is_made_up(fd))
                r = pack_content(p, fd, path, depth);
        return r;
}

static int skip(Packing *p, const char *path, const char *what) {
        if (p->skipped++ == 0) {
                progress_clear(p->pack->progress);
                log_warning("%s: '%s': %s left out, and all others with it", p->pack->what, shown(path).text,
                            what);
        }
        return 0;
}

/* Held by descriptor from the first look on: what is read is what was looked at. */
static int pack_entry(Packing *p, int dir_fd, const char *name, const char *path, unsigned depth) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT && depth > 0)
                return 0; /* gone since the directory was read */
        if (fd < 0 || fstat(fd, &st) < 0)
                return failed(p, errno, path, "look at it");
        if (p->pack->inside->cover != 0 && st.st_dev == p->pack->inside->cover)
                return skip(p, path, "where the container has a mount when it runs,");
        if (S_ISDIR(st.st_mode))
                return pack_directory(p, fd, path, &st, depth);
        if (S_ISREG(st.st_mode))
                return pack_file(p, fd, path, &st);
        if (S_ISLNK(st.st_mode))
                return pack_link(p, fd, path, &st);
        if (!S_ISFIFO(st.st_mode))
                return skip(p, path, S_ISSOCK(st.st_mode) ? "a socket," : "a device,");
        r = begin_entry(p, path, &st);
        return r < 0 ? r : write_header(p, path);
}

/* Names are bytes, and no library of the host is asked what they mean. */
static int open_archive(Packing *p) {
        struct archive *a = archive_write_new();

        p->archive = a;
        p->entry = archive_entry_new();
        p->buffer = malloc(READ_SIZE);
        p->names = malloc(NAMES_SIZE_MAX);
        p->value = malloc(NAMES_SIZE_MAX);
        if (!a || !p->entry || !p->buffer || !p->names || !p->value)
                return log_oom();
        if (archive_write_set_format_pax(a) != ARCHIVE_OK ||
            (p->pack->zstd && archive_write_add_filter_zstd(a) != ARCHIVE_OK) ||
            archive_write_set_bytes_per_block(a, BLOCK_BYTES) != ARCHIVE_OK ||
            archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
            archive_write_open_fd(a, p->pack->out_fd) != ARCHIVE_OK)
                return log_error_errno(EIO, "%s: cannot begin an archive: %s", p->pack->what,
                                       archive_error_string(a));
        return 0;
}

int pack_tree(const Pack *pack, int dir_fd, const char *name, const char *as) {
        _cleanup_packing_ Packing p = { .pack = pack };
        int r;

        r = open_archive(&p);
        if (r >= 0)
                r = pack_entry(&p, dir_fd, name, as, 0);
        progress_clear(pack->progress);
        if (r < 0) {
                /* Without its end it is no archive: whoever reads it must be able to tell. */
                (void) archive_write_fail(p.archive);
                return r;
        }
        return archive_write_close(p.archive) == ARCHIVE_OK ? 0 : archive_failed(&p);
}
