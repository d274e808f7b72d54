/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/snapshot-store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/aside.h"
#include "helper/container/data.h"

bool snapshot_tag_valid(const char *tag) {
        return strlen(tag) <= 64 && volume_name_valid(tag);
}

int snapshot_open(const char *name) {
        _cleanup_close_ int dir_fd = data_open("snapshots");
        int fd;

        if (dir_fd < 0)
                return dir_fd;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static bool is_unfinished(const char *name) {
        return startswith(name, SNAPSHOT_NEW) != NULL;
}

static bool is_container(const char *name) {
        return name_valid(name, false);
}

static int sweep(int dir_fd, const char *name) {
        _cleanup_close_ int layers_fd = data_open("layers");
        _cleanup_strv_ char **unfinished = NULL;
        char layer[NAME_LENGTH_MAX + sizeof(SNAPSHOT_NEW)];
        int r;

        snprintf(layer, sizeof(layer), SNAPSHOT_NEW "%s", name);
        r = layers_fd < 0 ? layers_fd : remove_tree(layers_fd, layer);
        if (r >= 0)
                r = directory_names(dir_fd, ".", 0, is_unfinished, &unfinished);
        for (char **entry = unfinished; r >= 0 && entry && *entry; entry++)
                r = remove_tree(dir_fd, *entry);
        if (r >= 0)
                r = aside_sweep(dir_fd);
        return MIN(r, 0);
}

/* Locks the directory; -EBUSY also for one that was removed meanwhile. */
static int lock_directory(int parent_fd, const char *name, bool make) {
        _cleanup_close_ int fd = -EBADF;
        struct stat held, there;

        if (make)
                fd = make_path(parent_fd, name, 0700);
        else {
                fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
        }
        if (fd < 0)
                return fd;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        if (fstat(fd, &held) < 0 || fstatat(parent_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? -EBUSY : -errno;
        return held.st_ino == there.st_ino ? TAKE_FD(fd) : -EBUSY;
}

int snapshot_lock(const char *name) {
        _cleanup_close_ int parent_fd = data_open("snapshots"), fd = -EBADF;
        int r;

        if (parent_fd < 0)
                return parent_fd;
        fd = lock_directory(parent_fd, name, /* make= */ true);
        r = fd < 0 ? fd : sweep(fd, name);
        return r < 0 ? r : TAKE_FD(fd);
}

int snapshot_list(int dir_fd, char ***ret) {
        return directory_names(dir_fd, ".", 0, snapshot_tag_valid, ret);
}

int snapshot_containers(char ***ret) {
        _cleanup_close_ int dir_fd = data_open("snapshots");

        return dir_fd < 0 ? dir_fd : directory_names(dir_fd, ".", 0, is_container, ret);
}

int snapshot_sweep(void) {
        _cleanup_close_ int parent_fd = data_open("snapshots");
        _cleanup_strv_ char **names = NULL;
        int r;

        r = parent_fd < 0 ? parent_fd : directory_names(parent_fd, ".", 0, is_container, &names);
        for (char **name = names; r >= 0 && name && *name; name++) {
                _cleanup_close_ int fd = lock_directory(parent_fd, *name, /* make= */ false);

                if (fd >= 0)
                        r = sweep(fd, *name);
                if (r >= 0 && fd >= 0)
                        (void) unlinkat(parent_fd, *name, AT_REMOVEDIR); /* if there is nothing in it */
        }
        return r;
}
