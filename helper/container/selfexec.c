/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/selfexec.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/statvfs.h>

#include "common/strv.h"
#include "helper/container/mount.h"

/* Executed from here our file can be opened by nobody to be written to, whatever his rights: the mount is attached
 * nowhere, so that no namespace has it to make it writable again, and goes with the last process that runs. */
static int open_read_only(int fd) {
        _cleanup_close_ int mount_fd = mount_clone(fd, "");
        int r = mount_fd < 0 ? mount_fd : mount_set(mount_fd, MOUNT_ATTR_RDONLY);

        return r < 0 ? r : TAKE_FD(mount_fd);
}

int selfexec_protect(char *argv[]) {
        _cleanup_close_ int fd = -EBADF, mount_fd = -EBADF;
        _cleanup_free_ char **full = NULL;
        char program[] = "berth";
        struct statvfs vfs;
        size_t n = strv_length(argv);

        fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstatvfs(fd, &vfs) < 0)
                return -errno;
        if (vfs.f_flag & ST_RDONLY)
                return 0;
        mount_fd = open_read_only(fd);
        if (mount_fd < 0)
                return mount_fd;
        full = calloc(n + 2, sizeof(char *));
        if (!full)
                return -ENOMEM;
        full[0] = program;
        memcpy(full + 1, argv, n * sizeof(char *));
        (void) fexecve(mount_fd, full, environ);
        return -errno;
}
