/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/layer-quota.h"

#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Neither the small numbers that admins choose nor those of systemd, which begin at 2^31. */
#define PROJECT_FIRST UINT32_C(0x40000000)
#define PROJECT_COUNT UINT32_C(0x40000000)
#define TRIES         1000

#define BYTES_PER_INODE UINT64_C(16384) /* as mkfs.ext4 has it: no more than a fair share of the files */
#define INODES_MIN      UINT64_C(1024)
#define INODES_ROOM     256
#define BASIC_BLOCK     512

/* The calls of xfs are those that all file systems with such quotas know. */
static int control(int fd, unsigned command, uint32_t project, void *data) {
        long r = syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), project, data);

        return r < 0 ? -errno : 0;
}

bool layer_quota_in_force(int fd) {
        struct fs_quota_statv state = { .qs_version = FS_QSTATV_VERSION1 };

        return control(fd, Q_XGETQSTATV, 0, &state) >= 0 && (state.qs_flags & FS_QUOTA_PDQ_ENFD);
}

static uint32_t project_of(int layer_fd) {
        struct fsxattr attributes;

        if (ioctl(layer_fd, FS_IOC_FSGETXATTR, &attributes) < 0 ||
            !(attributes.fsx_xflags & FS_XFLAG_PROJINHERIT) || attributes.fsx_projid < PROJECT_FIRST ||
            attributes.fsx_projid - PROJECT_FIRST >= PROJECT_COUNT)
                return 0;
        return attributes.fsx_projid;
}

bool layer_quota_has(int layer_fd) {
        return project_of(layer_fd) > 0;
}

/* Whatever is in a project counts, its own directory too. */
static int is_free(int fd, uint32_t project) {
        struct fs_disk_quota quota = {};
        int r = control(fd, Q_XGETQUOTA, project, &quota);

        if (r < 0)
                return r == -ENOENT ? 1 : r;
        return quota.d_icount == 0 && quota.d_bcount == 0;
}

static int find_free(int layer_fd, uint32_t *ret) {
        struct stat st;

        if (fstat(layer_fd, &st) < 0)
                return -errno;
        for (uint32_t i = 0; i < TRIES; i++) {
                uint32_t project = PROJECT_FIRST + (uint32_t) ((st.st_ino + i) % PROJECT_COUNT);
                int r = is_free(layer_fd, project);

                if (r < 0)
                        return r;
                if (r > 0) {
                        *ret = project;
                        return 0;
                }
        }
        return -EUSERS;
}

static int join(int layer_fd) {
        struct fsxattr attributes;
        uint32_t project = 0;
        int r;

        if (ioctl(layer_fd, FS_IOC_FSGETXATTR, &attributes) < 0)
                return -errno;
        r = find_free(layer_fd, &project);
        if (r < 0)
                return r;
        attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
        attributes.fsx_projid = project;
        return ioctl(layer_fd, FS_IOC_FSSETXATTR, &attributes) < 0 ? -errno : 1;
}

int layer_quota_join(int layers_fd, int layer_fd) {
        struct fsxattr attributes;
        int r;

        if (layer_quota_has(layer_fd))
                return 1;
        if (!layer_quota_in_force(layer_fd) || ioctl(layers_fd, FS_IOC_FSGETXATTR, &attributes) < 0 ||
            attributes.fsx_projid != 0)
                return 0;
        if (flock(layers_fd, LOCK_EX) < 0) /* from looking for a free one to taking it */
                return -errno;
        r = join(layer_fd);
        (void) flock(layers_fd, LOCK_UN);
        return r;
}

int layer_quota_set(int layer_fd, uint64_t size, uint64_t room) {
        uint32_t project = project_of(layer_fd);
        struct fs_disk_quota held = {}, quota = {
                .d_version = FS_DQUOT_VERSION,
                .d_flags = FS_PROJ_QUOTA,
                .d_id = project,
                .d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT | FS_DQ_IHARD | FS_DQ_ISOFT,
                .d_blk_hardlimit = size / BASIC_BLOCK,
                .d_ino_hardlimit = size > 0 ? MAX(size / BYTES_PER_INODE, INODES_MIN) : 0,
        };
        int r;

        if (project == 0 || !layer_quota_in_force(layer_fd))
                return -ESRCH;
        if (size > 0 && room > 0) {
                r = control(layer_fd, Q_XGETQUOTA, project, &held);
                if (r < 0)
                        return r;
                quota.d_blk_hardlimit = MAX(quota.d_blk_hardlimit, held.d_bcount + room / BASIC_BLOCK);
                quota.d_ino_hardlimit = MAX(quota.d_ino_hardlimit, held.d_icount + INODES_ROOM);
        }
        return control(layer_fd, Q_XSETQLIM, project, &quota);
}
