/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/idmap.h"

#include <linux/magic.h>
#include <sys/stat.h>

#include "common/log.h"
#include "helper/container/mount.h"
#include "helper/launch/namespaces.h"

#define ZFS_MAGIC 0x2fc12fc1 /* of no header of Linux */

/* File systems that cannot, or not on every kernel, and what one does then. */
static const char *name_type(int fd) {
        static const struct {
                long magic;
                const char *name;
        } rows[] = {
                { TMPFS_MAGIC, "tmpfs" },         { SQUASHFS_MAGIC, "squashfs" },
                { NFS_SUPER_MAGIC, "NFS" },       { CIFS_SUPER_MAGIC, "CIFS" },
                { FUSE_SUPER_MAGIC, "FUSE" },     { OVERLAYFS_SUPER_MAGIC, "overlay" },
                { MSDOS_SUPER_MAGIC, "vfat" },    { V9FS_MAGIC, "9p" },
                { ISOFS_SUPER_MAGIC, "iso9660" }, { ZFS_MAGIC, "ZFS" },
                { EXFAT_SUPER_MAGIC, "exfat" },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (mount_is(fd, rows[i].magic))
                        return rows[i].name;
        return "this type";
}

bool idmap_shifts(const State *state) {
        return state->uid_count > 0 && (state->uid_base > 0 || state->uid_count < UINT32_MAX);
}

int idmap_failed(const State *state, int error, int fd, bool own, const char *what, const char *which) {
        if (error == -EINVAL)
                return log_error_errno(
                                error,
                                "%s '%s': its file system, %s, cannot map ids on this kernel; %s, or %s",
                                what, which, name_type(fd),
                                mount_is(fd, SQUASHFS_MAGIC) ? "make an erofs of it"
                                                             : "move it to ext4, xfs, btrfs or erofs",
                                !idmap_shifts(state) ? "remove IDMap= there"
                                : own                ? "set PrivateUsers=no and remove IDMap= there"
                                                     : "set PrivateUsers=no");
        if (error == -ERANGE)
                return log_error_errno(error, "%s '%s': IDMap= names an id that the container does not have",
                                       what, which);
        return log_error_errno(error, "%s '%s': mapping its ids failed: %m", what, which);
}

int idmap_mount(const MountSpec *mount, const State *state, int tree_fd, int userns_fd) {
        _cleanup_close_ int own_fd = -EBADF;
        uint32_t count = state->uid_count > 0 ? state->uid_count : UINT32_MAX;
        const IdRange *ranges = mount->id_ranges;
        size_t n_ranges = mount->n_id_ranges;
        IdRange automatic[2];
        struct stat st;
        int r;

        if (mount->type == MOUNT_TMPFS)
                return 0;
        if (mount->id_auto) {
                if (fstat(tree_fd, &st) < 0)
                        return log_error_errno(errno, "mount '%s': %m", mount->target);
                automatic[0] = (IdRange){
                        .users = true, .host = st.st_uid, .container = state->uid, .count = 1
                };
                automatic[1] = (IdRange){
                        .groups = true, .host = st.st_gid, .container = state->gid, .count = 1
                };
                ranges = automatic;
                n_ranges = ARRAY_LEN(automatic);
        }
        if (n_ranges > 0) {
                own_fd = namespaces_for_mount(ranges, n_ranges, state->uid_base, count);
                if (own_fd < 0)
                        return idmap_failed(state, own_fd, tree_fd, true, "mount", mount->target);
                userns_fd = own_fd;
        }
        if (userns_fd < 0)
                return 0;
        r = (mount->recursive ? mount_map_ids_tree : mount_map_ids)(tree_fd, userns_fd);
        return r < 0 ? idmap_failed(state, r, tree_fd, own_fd >= 0, "mount", mount->source) : 0;
}
