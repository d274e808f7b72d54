/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/gate/gate-fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static bool is_open(int fd, struct stat *st) {
        int flags = fcntl(fd, F_GETFL);

        return flags >= 0 && !(flags & O_PATH) && fstat(fd, st) >= 0;
}

bool gate_stream_fits(int fd) {
        struct stat st;

        return is_open(fd, &st) && (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd)));
}

bool gate_file_fits(int fd) {
        struct statfs fs;
        struct stat st;

        if (!is_open(fd, &st) || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY || fstatfs(fd, &fs) < 0)
                return false;
        if (S_ISREG(st.st_mode))
                return fs.f_type != PROC_SUPER_MAGIC && fs.f_type != SYSFS_MAGIC &&
                       fs.f_type != CGROUP2_SUPER_MAGIC && fs.f_type != CGROUP_SUPER_MAGIC &&
                       fs.f_type != SECURITYFS_MAGIC && fs.f_type != DEBUGFS_MAGIC &&
                       fs.f_type != TRACEFS_MAGIC && fs.f_type != NSFS_MAGIC;
        return S_ISFIFO(st.st_mode);
}
