/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/mask.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"
#include "helper/container/mount.h"

/* Knobs: written to without a look at the writer's capabilities. */
static const char *const read_only[] = {
        "proc/irq", "proc/bus",           "proc/fs",     "proc/sysrq-trigger", "proc/acpi",    "proc/scsi",
        "proc/cpu", "proc/dynamic_debug", "proc/asound", "proc/driver",        "proc/powerpc",
};

/* What is for root's eyes alone: the kernel's memory and its layout, the firmware's tables, the processor's use of
 * energy; keys, which no namespace parts; and what makes a device of the host when it is read. */
static const char *const hidden[] = {
        "proc/allocinfo",         "proc/kcore",         "proc/keys",
        "proc/timer_list",        "proc/latency_stats", "proc/kmsg",
        "proc/kpagecgroup",       "proc/kpagecount",    "proc/kpageflags",
        "proc/pagetypeinfo",      "proc/slabinfo",      "proc/vmallocinfo",
        "sys/firmware",           "sys/kernel/slab",    "sys/devices/virtual/powercap",
        "sys/class/zram-control",
};

/* path with itself, read-only */
static int open_read_only(const Root *root, const char *path) {
        _cleanup_close_ int tree_fd = mount_clone(root->fd, path);
        int r = tree_fd < 0 ? tree_fd : mount_set(tree_fd, MOUNT_ATTR_RDONLY);

        return r < 0 ? r : TAKE_FD(tree_fd);
}

/* A directory with an empty one, a file with our own /dev/null: never one that the image calls so. */
static int open_nothing(const Root *root, int place_fd) {
        static const char *const options[] = { "mode=0555", "size=4K", "nr_inodes=2", NULL };
        struct stat st;

        if (fstat(place_fd, &st) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? mount_new("tmpfs", options,
                                               MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                                               MOUNT_ATTR_NOEXEC)
                                   : mount_clone(root->device_fd, "null");
}

static int close_path(Root *root, const char *path, bool hide) {
        _cleanup_close_ int place_fd = open_beneath(root->fd, path, O_PATH), fd = -EBADF;
        int r;

        if (place_fd == -ENOENT)
                return 0;
        r = fd = place_fd < 0 ? place_fd : hide ? open_nothing(root, place_fd) : open_read_only(root, path);
        if (r >= 0)
                r = mount_attach(fd, place_fd);
        if (r < 0)
                return log_error_errno(r, "cannot %s /%s: %m", hide ? "hide" : "make read-only", path);
        root->attached++;
        return 0;
}

/* In the host's network /proc/PID/net is the host's as well, where root, without a capability, says whom its NFS server
 * exports what to (nfsd.export/channel, tried): as there is one for each process, all of /proc has to be read-only. */
static int close_network(const Root *root) {
        int r = root->plan->network == NETWORK_HOST ? mount_set(root->proc_fd, MOUNT_ATTR_RDONLY) : 0;

        return r < 0 ? log_error_errno(r, "cannot make /proc read-only: %m") : 0;
}

int mask_kernel(Root *root) {
        int r = close_network(root);

        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(read_only); i++)
                r = close_path(root, read_only[i], false);
        for (size_t i = 0; r >= 0 && i < ARRAY_LEN(hidden); i++)
                r = close_path(root, hidden[i], true);
        return r;
}
