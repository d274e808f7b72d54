/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/etc.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"
#include "helper/container/mount.h"

#define ZONE_SIZE_MAX 65536
#define ZONE_MAGIC    "TZif" /* tzfile(5) */

int etc_hosts(const char *hostname, char *const *more, char **ret) {
        const char *dot = strchr(hostname, '.');
        size_t size;
        FILE *f = open_memstream(ret, &size);

        if (!f)
                return -errno;
        /* The short name after the full one, as hostname(1) wants it. 127.0.1.1 is Debian's place for a host
         * without an address of its own: a service bound to its own name is not bound to "localhost". */
        fprintf(f,
                "127.0.0.1 localhost\n"
                "::1 localhost ip6-localhost ip6-loopback\n"
                "127.0.1.1 %s%s%.*s\n",
                hostname, dot ? " " : "", dot ? (int) (dot - hostname) : 0, hostname);
        for (; more && *more; more++) {
                size_t n = strcspn(*more, ":");

                fprintf(f, "%s %.*s\n", *more + n + 1, (int) n, *more);
        }
        return fclose(f) == 0 ? 0 : -ENOMEM;
}

int etc_localtime(const char *zone, char **ret, size_t *ret_size) {
        _cleanup_free_ char *path = NULL, *data = NULL;
        bool local = streq(zone, "local");
        size_t size;
        int r;

        if (asprintf(&path, "%s%s", local ? "/etc/localtime" : "/usr/share/zoneinfo/", local ? "" : zone) <
            0)
                return log_oom();
        r = read_file_at(AT_FDCWD, path, ZONE_SIZE_MAX, &data, &size);
        if (r < 0)
                return log_error_errno(
                                r, "time zone '%s': '%s' of the host cannot be read: %m%s", zone, path,
                                r == -ENOENT ? "; see timedatectl list-timezones, or install tzdata" : "");
        if (size < strlen(ZONE_MAGIC) || memcmp(data, ZONE_MAGIC, strlen(ZONE_MAGIC)) != 0)
                return log_error_errno(EBADMSG, "time zone '%s': '%s' is no zone of tzfile(5)", zone, path);
        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

/* Opens what is at name as a place to mount a file on. */
static int open_place(int etc_fd, const char *name) {
        int fd = open_beneath(etc_fd, name, O_PATH);
        struct stat st;

        if (fd >= 0) {
                if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
                        return fd;
                close_fd(fd);
                return -EEXIST;
        }
        if (fd == -ELOOP && unlinkat(etc_fd, name, 0) < 0)
                return -errno;
        if (fd != -ELOOP && fd != -ENOENT)
                return fd;
        fd = openat(etc_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        return fd < 0 ? -errno : fd;
}

static int make_file(int etc_fd, const EtcFile *file, uid_t uid, gid_t gid) {
        _cleanup_close_ int fd = -EBADF;

        fd = openat(etc_fd, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0 || fchown(fd, uid, gid) < 0)
                return -errno;
        return write_fd(fd, file->text, file->size > 0 ? file->size : strlen(file->text));
}

int etc_tmpfs(uid_t uid, gid_t gid) {
        char uid_option[32], gid_option[32];
        const char *const options[] = {
                "mode=0755", "size=1M", "nr_inodes=24", uid_option, gid_option, NULL
        };
        int fd;

        snprintf(uid_option, sizeof(uid_option), "uid=%u", uid);
        snprintf(gid_option, sizeof(gid_option), "gid=%u", gid);
        fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        return fd < 0 ? log_error_errno(fd, "cannot make a tmpfs for files of /etc: %m") : fd;
}

int etc_fill(int tmpfs_fd, uid_t uid, gid_t gid, const EtcFile *files, size_t n_files) {
        _cleanup_close_ int etc_fd = -EBADF;

        etc_fd = make_path(tmpfs_fd, "etc", 0755);
        if (etc_fd < 0 || fchown(etc_fd, uid, gid) < 0)
                return log_error_errno(etc_fd < 0 ? etc_fd : errno,
                                       "cannot fill a tmpfs for files of /etc: %m");
        for (size_t i = 0; i < n_files; i++) {
                int r = make_file(etc_fd, &files[i], uid, gid);

                if (r < 0)
                        return log_error_errno(r, "cannot make /etc/%s of the container: %m", files[i].name);
        }
        return 0;
}

static int place_file(int etc_fd, int source_fd, const char *name) {
        _cleanup_close_ int tree_fd = mount_clone(source_fd, name), place_fd = -EBADF;

        if (tree_fd < 0)
                return tree_fd;
        place_fd = open_place(etc_fd, name);
        return place_fd < 0 ? place_fd : mount_attach(tree_fd, place_fd);
}

int etc_place(int root_fd, int tmpfs_fd, const EtcFile *files, size_t n_files) {
        _cleanup_close_ int etc_fd = -EBADF, source_fd = -EBADF;
        int r;

        source_fd = open_beneath(tmpfs_fd, "etc", O_PATH | O_DIRECTORY);
        etc_fd = source_fd < 0 ? source_fd : make_path(root_fd, "etc", 0755);
        if (etc_fd < 0)
                return log_error_errno(etc_fd, "cannot open /etc of the container: %m");
        for (size_t i = 0; i < n_files; i++) {
                r = place_file(etc_fd, source_fd, files[i].name);
                if (r < 0)
                        return log_error_errno(r, "cannot mount /etc/%s of the container: %m",
                                               files[i].name);
        }
        return 0;
}

bool etc_has_places(int image_fd, const EtcFile *files, size_t n_files) {
        for (size_t i = 0; i < n_files; i++) {
                char path[NAME_MAX + sizeof("etc/")];
                struct stat st;

                snprintf(path, sizeof(path), "etc/%s", files[i].name);
                if (fstatat(image_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? errno != ENOENT
                                                                          : !S_ISREG(st.st_mode))
                        return false;
        }
        return true;
}
