/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/live.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/parse.h"

#define RECORD_SIZE_MAX (256 * 1024)

void live_mounts_done(LiveMounts *mounts) {
        for (size_t i = 0; i < mounts->n; i++)
                free(mounts->items[i].fields);
        free(mounts->items);
        *mounts = (LiveMounts){};
}

/* With make, a state directory that is not there is an error all the same: nothing runs. */
static int open_records(const char *name, bool make) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int state_fd = -EBADF;
        int fd;

        if (asprintf(&path, "%s/%s", BERTH_CONTAINER_DIR, name) < 0)
                return -ENOMEM;
        state_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (state_fd < 0)
                return -errno;
        if (make && mkdirat(state_fd, "mounts", 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(state_fd, "mounts", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int read_record(int dir_fd, const char *file, LiveMounts *mounts) {
        _cleanup_free_ char *text = NULL;
        LiveMount mount = {}, *grown;
        size_t size, head;
        int r;

        if (parse_uint64(file, &mount.id) < 0)
                return 0; /* one that is just being written */
        r = read_file_at(dir_fd, file, RECORD_SIZE_MAX, &text, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        head = strlen(text) + 1;
        if (head >= size || sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &mount.plain_id, &mount.device,
                                   &mount.inode) != 3)
                return -EBADMSG;
        grown = reallocarray(mounts->items, mounts->n + 1, sizeof(mount));
        if (!grown)
                return -ENOMEM;
        mounts->items = grown;
        mount.fields = strdup(text + head);
        if (!mount.fields)
                return -ENOMEM;
        mounts->items[mounts->n++] = mount;
        return 0;
}

static int by_id(const void *a, const void *b) {
        const LiveMount *x = a, *y = b;

        return (x->id > y->id) - (x->id < y->id);
}

int live_mounts_read(const char *name, LiveMounts *ret) {
        _cleanup_live_mounts_ LiveMounts mounts = {};
        _cleanup_close_ int fd = open_records(name, /* make= */ false);
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = fd < 0 ? fd : directory_open(fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0)
                r = read_record(fd, entry->d_name, &mounts);
        if (r < 0 && r != -ENOENT) /* nothing was mounted, or the container has just ended */
                return r;
        if (mounts.n > 0)
                qsort(mounts.items, mounts.n, sizeof(LiveMount), by_id);
        *ret = mounts;
        mounts = (LiveMounts){};
        return 0;
}

int live_mount_note(const char *name, const LiveMount *mount) {
        _cleanup_close_ int fd = open_records(name, /* make= */ true);
        _cleanup_free_ char *text = NULL;
        char file[24];
        int n;

        if (fd < 0)
                return fd;
        n = asprintf(&text, "%" PRIu64 " %" PRIu64 " %" PRIu64 "%c%s", mount->plain_id, mount->device,
                     mount->inode, '\0', mount->fields);
        if (n < 0)
                return -ENOMEM;
        snprintf(file, sizeof(file), "%" PRIu64, mount->id);
        return write_file_at(fd, file, text, (size_t) n + 1, 0600);
}

int live_mount_forget(const char *name, uint64_t id) {
        _cleanup_close_ int fd = open_records(name, /* make= */ false);
        char file[24];

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        snprintf(file, sizeof(file), "%" PRIu64, id);
        return unlinkat(fd, file, 0) < 0 && errno != ENOENT ? -errno : 0;
}
