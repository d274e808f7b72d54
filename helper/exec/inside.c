/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/inside.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <locale.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/confine.h"
#include "helper/container/enter.h"
#include "helper/container/image.h"
#include "helper/container/known.h"
#include "helper/container/mount.h"
#include "helper/container/user.h"
#include "helper/launch/layer.h"
#include "helper/launch/target.h"

#define BIT(capability) (UINT64_C(1) << (capability))

/* What root has over files, and nothing else. */
#define CAPABILITIES (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID))

void inside_done(Inside *inside) {
        inside->root_fd = close_fd(inside->root_fd);
        inside->process_fd = close_fd(inside->process_fd);
        inside->lock_fd = close_fd(inside->lock_fd);
}

int inside_reopen(const Inside *inside, int fd, int flags) {
        char name[16];
        int again;

        snprintf(name, sizeof(name), "%d", fd);
        again = openat(inside->process_fd, name, flags | O_CLOEXEC);
        return again < 0 ? -errno : again;
}

static int open_process(Inside *inside) {
        /* Names are bytes; loaded while there is a file of it. */
        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                return log_error_errno(ENOENT, "this system lacks the locale C.UTF-8");
        inside->process_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return inside->process_fd < 0 ? log_error_errno(errno, "cannot open '/proc/self/fd': %m") : 0;
}

/* What has to be had of the host's files before they are left; an empty directory goes to *ret_empty_fd. */
static int open_before(Inside *inside, int *ret_empty_fd) {
        static const char *const options[] = { "size=4k", "mode=0555", NULL };
        int fd = open_process(inside);

        if (fd < 0)
                return fd;
        fd = mount_new("tmpfs", options,
                       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (fd < 0)
                return log_error_errno(fd, "cannot make an empty root: %m");
        *ret_empty_fd = fd;
        return 0;
}

/* From here on no path leads anywhere: what a library would load now, there is none of. */
static int leave_files(int empty_fd) {
        if (fchdir(empty_fd) < 0 || chroot(".") < 0)
                return log_error_errno(errno, "cannot change the root: %m");
        umask(0); /* modes are meant as they stand in the code */
        return 0;
}

static int become(const User *user) {
        if (setgroups(user->n_groups, user->groups) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
            setresuid(user->uid, user->uid, user->uid) < 0)
                return log_error_errno(errno, "cannot become user %u of the container: %m", user->uid);
        return 0;
}

/* The mount namespace too, though no path is looked up in it: a name on which something is mounted can be neither
 * removed nor replaced there, and from anywhere else that would take the mount away (tried). */
static int join(const Enter *enter, int empty_fd) {
        const int flags = CLONE_NEWNS | (enter->state.uid_count > 0 ? CLONE_NEWUSER : 0);
        const User root = {};
        int r;

        if (setns(enter->leader_fd, flags) < 0)
                return errno == ESRCH ? log_error_errno(ESRCH, "container '%s' has ended", enter->state.name)
                                      : log_error_errno(errno, "cannot join container '%s': %m",
                                                        enter->state.name);
        r = leave_files(empty_fd);
        return r < 0 ? r : become(&root);
}

/* Names are looked up in the container's own files, with the container's own rights. */
static int become_user(const char *name, Inside *inside) {
        _cleanup_user_ User user = {};
        int r;

        r = user_resolve(inside->root_fd, name, NULL, &user);
        if (r < 0)
                return log_error_errno(EINVAL, "user '%s': %s", name, user_strerror(r));
        /* Capabilities stay through the change of ids, to be given up by the one who gives up all. */
        if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
                return log_error_errno(errno, "cannot set secure bits: %m");
        r = become(&user);
        if (r < 0)
                return r;
        inside->uid = user.uid;
        inside->gid = user.gid;
        inside->as_user = true;
        return 0;
}

/* In doubt it does: then that is what says what is wrong. */
static bool runs(const char *name) {
        _cleanup_state_ State state = {};
        int r = state_read(name, &state), fd;

        if (r < 0)
                return r != -ENOENT;
        fd = state_open_leader(&state);
        close_fd(fd);
        return fd != -ESRCH;
}

/* As root of the container, with all capabilities still. */
static int join_files(Enter *enter, Inside *inside) {
        _cleanup_close_ int empty_fd = -EBADF;
        int r;

        r = open_before(inside, &empty_fd);
        if (r >= 0)
                r = join(enter, empty_fd);
        if (r < 0)
                return r;
        inside->root_fd = TAKE_FD(enter->root_fd);
        inside->uid = enter->state.uid;
        inside->gid = enter->state.gid;
        return 0;
}

int inside_join(Enter *enter, uint64_t capabilities, Inside *ret) {
        _cleanup_inside_ Inside inside = INSIDE_NONE;
        int r;

        r = join_files(enter, &inside);
        if (r < 0)
                return r;
        r = confine_init(CAPABILITIES | capabilities);
        if (r < 0)
                return log_error_errno(r, "cannot give up capabilities: %m");
        *ret = inside;
        inside = INSIDE_NONE;
        return 0;
}

/* Enters a container that runs. */
static int enter_running(const char *name, Inside *inside) {
        _cleanup_enter_ Enter enter = ENTER_NONE;
        int r = enter_open(name, &enter);

        return r < 0 ? r : join_files(&enter, inside);
}

/* What a start would stack, attached nowhere. For reading, all of it is below: a start in the meantime may have the
 * layer for itself. */
static int stack(int image_fd, int layer_fd, InsidePurpose purpose) {
        char lower[96], upper[64], work[64];
        const char *const reading[] = { lower, "userxattr", NULL };
        const char *const writing[] = { lower, upper, work, "userxattr", NULL };
        bool write = purpose == INSIDE_WRITE;

        if (write)
                snprintf(lower, sizeof(lower), "lowerdir=/proc/self/fd/%d", image_fd);
        else
                snprintf(lower, sizeof(lower), "lowerdir=/proc/self/fd/%d/up:/proc/self/fd/%d", layer_fd,
                         image_fd);
        snprintf(upper, sizeof(upper), "upperdir=/proc/self/fd/%d/up", layer_fd);
        snprintf(work, sizeof(work), "workdir=/proc/self/fd/%d/work", layer_fd);
        return mount_new("overlay", write ? writing : reading,
                         MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC |
                                         (write ? 0 : MOUNT_ATTR_RDONLY));
}

/* An empty directory "d" and an empty file "f", attached in our own mount namespace: of what is detached nothing can be
 * cloned before Linux 6.15. */
static int make_covers(dev_t *ret_device) {
        const uint64_t attributes =
                        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        static const char *const options[] = { "size=4k", "mode=0555", NULL };
        _cleanup_close_ int fd = mount_new("tmpfs", options, 0), file_fd = -EBADF;
        struct stat st;
        int r;

        if (fd < 0)
                return fd;
        file_fd = openat(fd, "f", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
        if (file_fd < 0 || mkdirat(fd, "d", 0555) < 0 || fstat(fd, &st) < 0)
                return -errno;
        file_fd = close_fd(file_fd);
        r = mount_set(fd, attributes);
        if (r < 0)
                return r;
        if (move_mount(fd, "", AT_FDCWD, "/usr", MOVE_MOUNT_F_EMPTY_PATH) < 0) /* every host has that */
                return -errno;
        *ret_device = st.st_dev;
        return TAKE_FD(fd);
}

/* What is missing was made by the start, and is made again by the next; what is in the way then is in its way as well,
 * and no mount. */
static int cover(int root_fd, int covers_fd, const char *mount, InsidePurpose purpose) {
        bool directory = mount[0] == 'd';
        _cleanup_close_ int target_fd = -EBADF, fd = -EBADF;
        struct stat st;

        target_fd = purpose == INSIDE_WRITE ? target_open(root_fd, mount + 1, directory)
                                            : open_in_root(root_fd, mount + 1, O_PATH);
        if (target_fd < 0)
                switch (target_fd) {
                case -ENOENT:
                case -ENOTDIR:
                case -EISDIR:
                case -ELOOP:
                case -EROFS: /* below another cover */
                        return 0;
                default:
                        return target_fd;
                }
        if (fstat(target_fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode) != directory)
                return 0;
        fd = mount_clone(covers_fd, directory ? "d" : "f");
        return fd < 0 ? fd : mount_attach(fd, target_fd);
}

static int cover_mounts(const char *name, InsidePurpose purpose, Inside *inside) {
        _cleanup_strv_ char **mounts = NULL;
        _cleanup_close_ int covers_fd = -EBADF;
        int r;

        r = layer_read_mounts(inside->lock_fd, name, &mounts);
        if (r < 0)
                return r;
        if (move_mount(inside->root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return log_error_errno(errno, "cannot attach the files of container '%s': %m", name);
        covers_fd = r = make_covers(&inside->cover);
        if (r < 0)
                return log_error_errno(r, "cannot make an empty file system: %m");
        for (char **mount = mounts; r >= 0 && mount && *mount; mount++) {
                r = cover(inside->root_fd, covers_fd, *mount, purpose);
                if (r < 0)
                        log_error_errno(r,
                                        "container '%s': '%s', where it has a mount, cannot be covered: %m",
                                        name, *mount + 1);
        }
        return MIN(r, 0);
}

/* Enters what a container that does not run has kept. */
static int enter_kept(const char *name, InsidePurpose purpose, Inside *inside) {
        _cleanup_close_ int empty_fd = -EBADF, files_fd = -EBADF;
        bool mounted = false;
        _cleanup_image_ Image image = IMAGE_NONE;
        int r;

        if (!name_valid(name, false))
                return known_refuse(name), -ENOENT;
        if (geteuid() != 0)
                return log_error_errno(EPERM, "only root may enter container '%s'", name);
        /* First: only what is opened in a namespace can be stacked there. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return log_error_errno(errno, "cannot make a mount namespace: %m");
        inside->lock_fd = r = layer_open_kept(name, purpose == INSIDE_WRITE, &image);
        if (r == -ENOENT && known_manifest(name))
                return log_error_errno(
                                ESRCH,
                                "container '%s' is not running, and has kept no files (Ephemeral=yes, or it "
                                "never started)",
                                name);
        if (r == -ENOENT)
                return known_refuse(name), r;
        if (r < 0)
                return r;
        /* A start that was quicker than we has it running by now: whoever holds the layer is asked last. */
        if (runs(name))
                return -EAGAIN;
        r = open_before(inside, &empty_fd);
        if (r < 0)
                return r;
        files_fd = r = layer_open_files(inside->lock_fd, name, /* running= */ false, &mounted);
        if (r < 0)
                return r;
        /* Before Linux 6.6 or so overlayfs refuses layers that are attached nowhere, as a disk image is (see root.c). */
        if ((image.mounted && move_mount(image.fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0) ||
            (mounted && move_mount(files_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0))
                return log_error_errno(errno, "cannot attach the image and the layer of container '%s': %m",
                                       name);
        inside->root_fd = r = stack(image.fd, files_fd, purpose);
        if (r < 0)
                return log_error_errno(r, "cannot stack the kept layer of container '%s' over its image: %m",
                                       name);
        r = cover_mounts(name, purpose, inside);
        return r < 0 ? r : leave_files(empty_fd);
}

int inside_enter(const char *name, const char *user, InsidePurpose purpose, Inside *ret) {
        _cleanup_inside_ Inside inside = INSIDE_NONE;
        int r;

        r = runs(name) ? enter_running(name, &inside) : enter_kept(name, purpose, &inside);
        if (r == -EAGAIN) {
                inside_done(&inside);
                r = enter_running(name, &inside);
        }
        if (r >= 0 && user)
                r = become_user(user, &inside);
        if (r < 0)
                return r;
        r = confine_init(user ? 0 : CAPABILITIES);
        if (r < 0)
                return log_error_errno(r, "cannot give up capabilities: %m");
        *ret = inside;
        inside = INSIDE_NONE;
        return 0;
}

int inside_enter_host(int directory_fd, Inside *ret) {
        _cleanup_inside_ Inside inside = INSIDE_NONE;
        _cleanup_close_ int empty_fd = -EBADF;
        bool root = geteuid() == 0; /* who is not has nothing to give up, and may not change the root */
        int r;

        inside.root_fd = fcntl(directory_fd, F_DUPFD_CLOEXEC, 3);
        if (inside.root_fd < 0)
                return log_error_errno(errno, "cannot copy a descriptor: %m");
        r = root ? open_before(&inside, &empty_fd) : open_process(&inside);
        if (r >= 0 && root)
                r = leave_files(empty_fd);
        if (r < 0)
                return r;
        umask(0);
        r = root ? confine_init(CAPABILITIES) : 0;
        if (r < 0)
                return log_error_errno(r, "cannot give up capabilities: %m");
        inside.uid = geteuid();
        inside.gid = getegid();
        *ret = inside;
        inside = INSIDE_NONE;
        return 0;
}
