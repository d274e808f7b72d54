/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/selfexec.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* since Linux 6.3, memfd_create(2) */
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Is fd a file that nobody can write to, whatever his rights? */
static int is_protected(int fd) {
        struct statvfs vfs;
        int seals = fcntl(fd, F_GET_SEALS); /* EINVAL: no memory file */

        if (seals >= 0 && (seals & SEALS) == SEALS)
                return 1;
        if (fstatvfs(fd, &vfs) < 0)
                return -errno;
        return (vfs.f_flag & ST_RDONLY) != 0;
}

static int open_memory(void) {
        /* MFD_EXEC where vm.memfd_noexec knows it; older kernels refuse the flag and need none */
        int fd = memfd_create("berth", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("berth", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        return fd < 0 ? -errno : fd;
}

static int copy_sealed(int fd) {
        _cleanup_close_ int memory_fd = -EBADF;
        struct stat st;
        int r;

        memory_fd = r = open_memory();
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        for (off_t left = st.st_size; left > 0;) {
                ssize_t n = sendfile(memory_fd, fd, NULL, (size_t) left);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                left -= n;
        }
        if (fchmod(memory_fd, 0500) < 0 || fcntl(memory_fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        return TAKE_FD(memory_fd);
}

int selfexec_protect(char *argv[]) {
        _cleanup_close_ int fd = -EBADF, memory_fd = -EBADF;
        _cleanup_free_ char **full = NULL;
        char program[] = "berth";
        size_t n = 0;
        int r;

        fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = is_protected(fd);
        if (r != 0)
                return MIN(r, 0);
        memory_fd = r = copy_sealed(fd);
        if (r < 0)
                return r;

        while (argv[n])
                n++;
        full = calloc(n + 2, sizeof(char *));
        if (!full)
                return -ENOMEM;
        full[0] = program;
        memcpy(full + 1, argv, n * sizeof(char *));
        (void) fexecve(memory_fd, full, environ);
        return -errno;
}
