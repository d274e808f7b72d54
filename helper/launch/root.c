/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/root.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "common/fs.h"
#include "common/log.h"
#include "helper/container/mount.h"
#include "helper/launch/cover.h"
#include "helper/launch/mask.h"
#include "helper/launch/notify-relay.h"
#include "helper/launch/secrets.h"
#include "helper/launch/target.h"

#define API_ATTRIBUTES (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static int attach(Root *root, int mount_fd, int target_fd) {
        int r = mount_attach(mount_fd, target_fd);

        if (r >= 0)
                root->attached++;
        return r;
}

/* Attaches a tree of mounts and counts how many came. Nothing else mounts here: all is private. */
int root_attach_tree(Root *root, int tree_fd, int target_fd) {
        unsigned before, after;
        int r;

        r = mount_count(root->proc_fd, &before);
        if (r >= 0)
                r = mount_attach(tree_fd, target_fd);
        if (r >= 0)
                r = mount_count(root->proc_fd, &after);
        if (r >= 0)
                root->attached += after - before;
        return r;
}

/* Opens directory name of dir_fd as the place of a mount, making it if it is missing; a link is refused. */
static int open_place(int dir_fd, const char *name) {
        int fd = open_beneath(dir_fd, name, O_PATH | O_DIRECTORY);

        if (fd != -ENOENT)
                return fd;
        if (mkdirat(dir_fd, name, 0755) < 0)
                return -errno;
        return open_beneath(dir_fd, name, O_PATH | O_DIRECTORY);
}

static int attach_at(Root *root, int mount_fd, int dir_fd, const char *name) {
        _cleanup_close_ int place_fd = -EBADF;

        place_fd = open_place(dir_fd, name);
        if (place_fd < 0)
                return place_fd;
        return attach(root, mount_fd, place_fd);
}

/* Mounts a new file system at name below dir_fd; the mount's descriptor goes to *ret_fd if wanted. */
static int mount_at(Root *root, int dir_fd, const char *name, const char *type, const char *const options[],
                    uint64_t attributes, int *ret_fd) {
        _cleanup_close_ int mount_fd = -EBADF;
        int r;

        mount_fd = mount_new(type, options, attributes);
        r = mount_fd < 0 ? mount_fd : attach_at(root, mount_fd, dir_fd, name);
        if (r < 0)
                return log_error_errno(r, "cannot mount %s at %s in the container: %m", type, name);
        if (ret_fd)
                *ret_fd = TAKE_FD(mount_fd);
        return 0;
}

/* Attaches a mount where it has to be for as long as it is put to use, in a directory of the host's root that every host
 * has. It goes with that root, and costs no detaching of its own, each of which waits for the kernel's readers. Not
 * on "/": the last step of root_enter() detaches only the top of a stack (tried). */
static int set_aside(int mount_fd) {
        return move_mount(mount_fd, "", AT_FDCWD, "/usr", MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int stack(const Root *root) {
        char lower[64], upper[64], work[64];
        /* What is thrown away need not be on disk first: at the end the kernel would wait until all that anybody has
         * written to the layer's file system is. */
        const char *const options[] = {
                lower, upper, work, "userxattr", root->plan->ephemeral ? "volatile" : NULL, NULL
        };
        /* An overlay without an upper layer has two lower ones at least, and can never be written. The tmpfs's files
         * are the places for mounts that the image does not have. xino: one device number for all. */
        const char *const bare[] = { lower, "xino=on", "userxattr", NULL };

        /* By descriptor: no path of the host ends up in the container's mountinfo, and none is looked up twice. */
        if (root->layer_fd < 0) {
                snprintf(lower, sizeof(lower), "lowerdir=/proc/self/fd/%d:/proc/self/fd/%d", root->image_fd,
                         root->etc_fd);
                return mount_new("overlay", bare, MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY);
        }
        snprintf(lower, sizeof(lower), "lowerdir=/proc/self/fd/%d", root->image_fd);
        snprintf(upper, sizeof(upper), "upperdir=/proc/self/fd/%d/up", root->layer_fd);
        snprintf(work, sizeof(work), "workdir=/proc/self/fd/%d/work", root->layer_fd);
        return mount_new("overlay", options, MOUNT_ATTR_NODEV);
}

/* Of a file or directory that is bound at its own path, which is the host's and no stranger's. */
static int attach_bind(Root *root, const ProfileBind *bind) {
        _cleanup_close_ int target_fd = -EBADF;
        struct stat st;

        if (fstat(bind->fd, &st) < 0)
                return -errno;
        target_fd = target_open(root->fd, bind->path, S_ISDIR(st.st_mode));
        return target_fd < 0 ? target_fd : root_attach_tree(root, bind->fd, target_fd);
}

/* A root of its own, on which parts of the host's files are bound. */
static int attach_bare(Root *root) {
        _cleanup_close_ int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC); /* still the host's */
        int r = 0;

        if (proc_fd < 0 || set_aside(root->etc_fd) < 0 ||
            move_mount(root->image_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return log_error_errno(errno, "cannot attach the root: %m");
        root->fd = root->image_fd;
        root->attached = 1;
        root->proc_fd = proc_fd;
        for (size_t i = 0; r >= 0 && i < root->n_binds; i++) {
                r = attach_bind(root, &root->binds[i]);
                if (r < 0)
                        log_error_errno(r, "cannot bind '%s' in the container: %m", root->binds[i].path);
        }
        root->proc_fd = -EBADF;
        return r;
}

int root_overlay(Root *root) {
        int r;

        /* Private first: what is mounted from here on must not travel back to the host. */
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return log_error_errno(errno, "cannot make the mounts private: %m");
        if (!root->plan->image)
                return attach_bare(root);
        /* Before Linux 6.6 or so overlayfs refuses layers that are attached nowhere (tried on 6.1). */
        r = set_aside(root->image_fd);
        if (r >= 0 && root->layer_fd >= 0)
                r = set_aside(root->layer_fd);
        if (r >= 0)
                r = set_aside(root->etc_fd);
        if (r < 0)
                return log_error_errno(r, "cannot attach image and layer: %m");
        root->fd = r = stack(root);
        if (r < 0)
                return log_error_errno(r, "cannot stack the writable layer over the image: %m");
        if (move_mount(root->fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return log_error_errno(errno, "cannot attach the root: %m");
        root->attached = 1;
        return 0;
}

/* What the launcher has made, or is the host's. */
static int attach_given(Root *root, int mount_fd, int dir_fd, const char *name) {
        int r = attach_at(root, mount_fd, dir_fd, name);

        return r < 0 ? log_error_errno(r, "cannot mount %s in the container: %m", name) : 0;
}

/* Ports below 1024 of a private network are nobody's but the container's: any user of it may have them. */
static int open_low_ports(const Root *root) {
        int r;

        if (root->plan->network == NETWORK_HOST)
                return 0;
        for (char *const *s = root->plan->sysctls; s && *s; s++)
                if (startswith(*s, "net.ipv4.ip_unprivileged_port_start="))
                        return 0; /* said otherwise, and written by the launcher */
        r = write_string_at(root->proc_fd, "sys/net/ipv4/ip_unprivileged_port_start", "0");
        return r < 0 && r != -ENOENT ? log_error_errno(r, "cannot open the ports below 1024: %m") : 0;
}

static int fill_proc(Root *root) {
        int r;

        /* Of the host's pid namespace only its own root may mount one; and the host's has the options that its
         * administrator chose, such as hidepid=. */
        if (root->pids_fd < 0)
                return mount_at(root, root->fd, "proc", "proc", NULL, API_ATTRIBUTES, &root->proc_fd);
        r = attach_given(root, root->pids_fd, root->fd, "proc");
        root->proc_fd = root->pids_fd;
        return r;
}

/* Behind the last of our own settings. */
static int close_settings(Root *root) {
        _cleanup_close_ int sys_fd = -EBADF;
        int r = open_low_ports(root);

        if (r < 0)
                return r;
        /* Cloned after /proc is attached: clones of detached mounts are refused by some kernels. */
        sys_fd = mount_clone(root->proc_fd, "sys");
        r = sys_fd < 0 ? sys_fd : mount_set(sys_fd, MOUNT_ATTR_RDONLY);
        if (r >= 0)
                r = attach_at(root, sys_fd, root->proc_fd, "sys");
        if (r < 0)
                return log_error_errno(r, "cannot make /proc/sys read-only: %m");
        return 0;
}

static int fill_sys(Root *root) {
        _cleanup_close_ int own_fd = -EBADF;
        int fd = root->sys_fd, r;

        if (fd < 0) {
                fd = own_fd = mount_new("sysfs", NULL, API_ATTRIBUTES | MOUNT_ATTR_RDONLY);
                if (fd < 0)
                        return log_error_errno(fd, "cannot make a sysfs: %m");
        }
        r = attach_at(root, fd, root->fd, "sys");
        if (r < 0)
                return log_error_errno(r, "cannot mount /sys in the container: %m");
        return mount_at(root, fd, "fs/cgroup", "cgroup2", NULL, API_ATTRIBUTES | MOUNT_ATTR_RDONLY, NULL);
}

/* The init listens at a socket of its own; a command that is the leader itself speaks to systemd's. */
static int fill_notify(Root *root) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (root->plan->init)
                r = root->notify_fd = notify_relay_bind(root->device_fd);
        else {
                fd = openat(root->device_fd, "notify", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                r = fd < 0 ? -errno : attach(root, root->notify_fd, fd);
        }
        return r < 0 ? log_error_errno(r, "cannot make " NOTIFY_PATH " in the container: %m") : 0;
}

static int fill_dev(Root *root) {
        /* max: all instances but the host's share kernel.pty.max, 3072 of them as a rule, and one would have them all */
        const char *const pts[] = { "newinstance", "ptmxmode=0666",
                                    "mode=0620",   root->small ? "gid=0" : "gid=5",
                                    "max=512",     NULL };
        int r;

        r = attach_given(root, root->device_fd, root->fd, "dev");
        if (r >= 0)
                r = mount_at(root, root->device_fd, "pts", "devpts", pts,
                             MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, NULL);
        if (r >= 0)
                r = attach_given(root, root->shm_fd, root->device_fd, "shm");
        if (r >= 0 && root->plan->host_ipc)
                r = root->mqueue_fd >= 0 ? attach_given(root, root->mqueue_fd, root->device_fd, "mqueue")
                                         : 0;
        else if (r >= 0)
                r = mount_at(root, root->device_fd, "mqueue", "mqueue", NULL, API_ATTRIBUTES, NULL);
        return r >= 0 && root->notify ? fill_notify(root) : r;
}

static int fill_scratch(Root *root) {
        int r = root->run_fd >= 0 ? attach_given(root, root->run_fd, root->fd, "run") : 0;

        return r >= 0 && root->tmp_fd >= 0 ? attach_given(root, root->tmp_fd, root->fd, "tmp") : r;
}

static int fill_etc(Root *root) {
        root->attached += (unsigned) root->n_etc;
        return etc_place(root->fd, root->etc_fd, root->etc, root->n_etc);
}

static int fill_mount(Root *root, const MountSpec *mount, int fd) {
        _cleanup_close_ int tmpfs_fd = -EBADF, target_fd = -EBADF;
        struct stat st;
        int r;

        if (mount->type == MOUNT_TMPFS) {
                fd = tmpfs_fd = target_tmpfs(mount);
                if (fd < 0)
                        return log_error_errno(fd, "mount '%s': tmpfs with options '%s' failed: %m",
                                               mount->target, mount->options ? mount->options : "");
        }
        if (fstat(fd, &st) < 0)
                return log_error_errno(errno, "mount '%s': %m", mount->target);
        target_fd = target_open(root->fd, mount->target, S_ISDIR(st.st_mode));
        if (target_fd < 0)
                return log_error_errno(
                                target_fd,
                                "mount '%s': the target cannot be made in the image: %m; something else (a "
                                "link that leads nowhere, a file, a filled directory) is in the way",
                                mount->target);
        r = mount->recursive ? root_attach_tree(root, fd, target_fd) : attach(root, fd, target_fd);
        return r < 0 ? log_error_errno(r, "mount '%s': cannot be attached: %m", mount->target) : 0;
}

/* Behind the mounts, which may have made another directory of /run. */
static int fill_secrets(Root *root) {
        _cleanup_close_ int target_fd = target_open(root->fd, SECRETS_PATH, true);
        int r = target_fd < 0 ? target_fd : attach(root, root->secrets_fd, target_fd);

        return r < 0 ? log_error_errno(r, "cannot mount " SECRETS_PATH " in the container: %m") : 0;
}

int root_fill_first(Root *root) {
        int r = fill_proc(root);

        return r < 0 ? r : fill_etc(root);
}

int root_fill_kernel(Root *root) {
        int r = close_settings(root);

        return r < 0 ? r : fill_sys(root);
}

int root_fill(Root *root) {
        int r = fill_dev(root);

        /* behind fill_dev(), since what is cloned has to be attached (before Linux 6.15) */
        if (r >= 0 && root->host_root)
                r = mask_kernel(root);
        if (r >= 0)
                r = fill_scratch(root);
        for (size_t i = 0; r >= 0 && i < root->plan->n_mounts; i++)
                r = fill_mount(root, &root->plan->mounts[i], root->mount_fds[i]);
        if (r >= 0 && root->secrets_fd >= 0)
                r = fill_secrets(root);
        return r < 0 ? r : cover_paths(root);
}

/* Counts what the kernel lists against what was attached: a mount more is one of the host's, and would be a way
 * out. */
static int check_mounts(const Root *root) {
        unsigned lines;
        int r;

        r = mount_count(root->proc_fd, &lines);
        if (r < 0)
                return log_error_errno(r, "cannot read /proc/self/mountinfo: %m");
        if (lines != root->attached)
                return log_error_errno(EUCLEAN,
                                       "the container would see %u mounts where %u were made for it", lines,
                                       root->attached);
        return 0;
}

int root_enter(Root *root) {
        struct statfs fs;
        int r;

        if (fchdir(root->fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
                return log_error_errno(errno, "cannot change the root: %m");
        if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return log_error_errno(errno, "cannot detach the host's root: %m");
        r = check_mounts(root);
        if (r < 0)
                return r;
        if (root->plan->image && root->layer_fd < 0)
                return 0;
        /* An overlay whose layer cannot be written comes up read-only without a word (tried). */
        if (fstatfs(root->fd, &fs) < 0)
                return log_error_errno(errno, "cannot examine the root: %m");
        if (fs.f_flags & ST_RDONLY)
                return log_error_errno(EROFS, "the writable layer came up read-only; see the kernel's log");
        if (root->plan->read_only) {
                r = mount_set(root->fd, MOUNT_ATTR_RDONLY);
                if (r < 0)
                        return log_error_errno(r, "cannot make the root read-only: %m");
        }
        return 0;
}
