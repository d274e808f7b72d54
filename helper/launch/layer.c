/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/layer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/data.h"
#include "helper/container/mount.h"
#include "helper/launch/layer-disk.h"
#include "helper/launch/layer-quota.h"
#include "helper/launch/patience.h"

#define LAYERS          BERTH_DATA_DIR "/layers"
#define EPHEMERAL       ".ephemeral"
#define STAMP           "image"  /* which image the layer belongs over */
#define IMAGE           "name"   /* what the manifest calls that */
#define MOUNTS          "mounts" /* where the container has others' files, NUL-terminated words */
#define MOUNTS_SIZE_MAX (8 * 1024 * 1024)

#define ROOM (UINT64_C(1) << 20) /* for the start of what is full */

typedef char LayerName[NAME_LENGTH_MAX + sizeof(EPHEMERAL)];

/* What a layer is bound to: the image's digest, or the name of one that has none. */
static int check_stamp(int layer_fd, const char *name, const char *image, const char *digest) {
        const char *wanted = digest ? digest : image;
        _cleanup_free_ char *stamp = NULL;
        int r;

        r = read_file_at(layer_fd, STAMP, 8192, &stamp, NULL);
        if (r == -ENOENT) {
                r = write_file_at(layer_fd, STAMP, wanted, strlen(wanted), 0600);
                return r < 0 ? log_error_errno(r, "cannot write '%s/%s/%s': %m", LAYERS, name, STAMP) : 0;
        }
        if (r < 0)
                return log_error_errno(r, "cannot read '%s/%s/%s': %m", LAYERS, name, STAMP);
        if (streq(stamp, wanted))
                return 0;
        return log_error_errno(ESTALE,
                               "the kept layer %s/%s belongs to image '%s', and '%s' is %s; go back to that "
                               "image, or give up what the container wrote: berth remove %s --layer",
                               LAYERS, name, stamp, image, digest ? digest : "another", name);
}

int layer_belongs(int layer_fd, const char *name, const char *noted, const Image *image) {
        return check_stamp(layer_fd, name, noted, image->metadata.digest);
}

bool layer_is_stamped(int layer_fd) {
        return faccessat(layer_fd, STAMP, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* For whoever works on the layer while nothing runs from it. As a rule it is there already. */
static int note(int layer_fd, const char *name, const char *file, const char *text, size_t size) {
        _cleanup_free_ char *noted = NULL;
        size_t noted_size;
        int r;

        r = read_file_at(layer_fd, file, MOUNTS_SIZE_MAX, &noted, &noted_size);
        if (r >= 0 && noted_size == size && memcmp(noted, text, size) == 0)
                return 0;
        r = write_file_at(layer_fd, file, text, size, 0600);
        return r < 0 ? log_error_errno(r, "cannot write '%s/%s/%s': %m", LAYERS, name, file) : 0;
}

int layer_note_mounts(int layer_fd, const char *name, char *const *mounts) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        char *at;

        for (char *const *mount = mounts; mount && *mount; mount++)
                size += strlen(*mount) + 1;
        if (size > MOUNTS_SIZE_MAX)
                return log_error_errno(E2BIG, "the mounts' targets are more than %d bytes", MOUNTS_SIZE_MAX);
        at = text = malloc(size + 1);
        if (!text)
                return log_oom();
        for (char *const *mount = mounts; mount && *mount; mount++)
                at = stpcpy(at, *mount) + 1;
        return note(layer_fd, name, MOUNTS, text, size);
}

int layer_forget_mounts(int layer_fd) {
        return unlinkat(layer_fd, MOUNTS, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int layer_read_mounts(int layer_fd, const char *name, char ***ret) {
        _cleanup_strv_ char **mounts = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r;

        r = read_file_at(layer_fd, MOUNTS, MOUNTS_SIZE_MAX, &text, &size);
        for (const char *p = text; r >= 0 && p < text + size; p += strlen(p) + 1)
                r = strv_append(&mounts, p);
        if (r < 0)
                return log_error_errno(
                                EBADMSG,
                                "the kept layer %s/%s does not say what the container mounts; start it "
                                "once",
                                LAYERS, name);
        *ret = TAKE_PTR(mounts);
        return 0;
}

/* Under /up the overlay's root shows through: it must look like the image's root. */
static int make_directories(int layer_fd, int image_fd) {
        _cleanup_close_ int up_fd = -EBADF, work_fd = -EBADF;
        struct stat st;

        up_fd = make_path(layer_fd, "up", 0755);
        if (up_fd < 0)
                return up_fd;
        work_fd = make_path(layer_fd, "work", 0755);
        if (work_fd < 0)
                return work_fd;
        if (fstat(image_fd, &st) < 0 || fchown(up_fd, st.st_uid, st.st_gid) < 0 ||
            fchmod(up_fd, st.st_mode & 0777) < 0)
                return -errno;
        return 0;
}

int layer_lock(int layers_fd, const char *name, bool exclusive) {
        struct stat held, there;
        _cleanup_close_ int fd = openat(layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        /* It may have been exchanged between the two calls. */
        if (fstat(fd, &held) < 0 || fstatat(layers_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? -EBUSY : -errno;
        return held.st_dev == there.st_dev && held.st_ino == there.st_ino ? TAKE_FD(fd) : -EBUSY;
}

/* The directory; a kept one locked. */
static int make_layer(int layers_fd, const char *layer, bool ephemeral) {
        int fd = make_path(layers_fd, layer, 0700), r;

        if (fd < 0 || ephemeral)
                return fd < 0 ? log_error_errno(fd, "cannot make '%s/%s': %m", LAYERS, layer) : fd;
        close_fd(fd);
        r = layer_lock(layers_fd, layer, /* exclusive= */ false);
        if (r == -EBUSY)
                return log_error_errno(
                                r,
                                "the kept layer %s/%s is just being changed, restored or removed; try again",
                                LAYERS, layer);
        return r < 0 ? log_error_errno(r, "cannot open '%s/%s': %m", LAYERS, layer) : r;
}

static bool holds(int layer_fd, const char *entry) {
        return faccessat(layer_fd, entry, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Outside of a user namespace every owner of a file can give it to another project. */
static bool can_leave_projects(const Plan *plan) {
        return plan->private_users == PRIVATE_USERS_NO;
}

static int limit_project(int layer_fd, const char *shown, const Plan *plan) {
        int r;

        if (plan->disk > 0 && can_leave_projects(plan))
                return log_error_errno(
                                EPERM,
                                "%s: is limited by a project quota, which Disk= with PrivateUsers=no cannot rely "
                                "on; remove one of them, or give up what the container wrote: berth remove %s "
                                "--layer",
                                shown, plan->name);
        r = layer_quota_set(layer_fd, plan->disk, ROOM);
        if (r == -ESRCH && plan->disk == 0)
                return 0;
        if (r == -ESRCH)
                return log_error_errno(
                                r,
                                "%s: Disk= is a project quota here, and its file system does not enforce "
                                "them any more; mount it with prjquota, or remove Disk=",
                                shown);
        return r < 0 ? log_error_errno(r, "%s: cannot be limited: %m", shown) : 0;
}

/* What Disk= limits is a project of the file system below, or else a file system of its own, and stays what it was
 * made as. A kept one is made a project where that can be, so that it can be given a limit later. Returns a mount of
 * what is a file system of its own, or 0. */
static int open_disk(int layers_fd, int layer_fd, const char *layer, const Plan *plan) {
        bool wanted = plan->disk > 0 ? !can_leave_projects(plan) : !plan->ephemeral;
        char shown[sizeof("layer ") + sizeof(LayerName)];
        int r;

        snprintf(shown, sizeof(shown), "layer %s", layer);
        if (holds(layer_fd, LAYER_DISK) && plan->disk == 0)
                return log_error_errno(
                                EEXIST,
                                "%s: was made with Disk=; set that again, or give up what the container wrote: berth "
                                "remove %s --layer",
                                shown, plan->name);
        if (!wanted || holds(layer_fd, LAYER_DISK) || holds(layer_fd, "up"))
                r = layer_quota_has(layer_fd);
        else
                r = layer_quota_join(layers_fd, layer_fd);
        if (r < 0)
                return log_error_errno(r, "%s: cannot be made a project of its file system: %m", shown);
        if (r > 0)
                return limit_project(layer_fd, shown, plan);
        if (plan->disk > 0) {
                _cleanup_patience_ Patience patience = patience_begin("Preparing the layer of Disk=");

                return layer_disk_open(layer_fd, shown, plan->disk, plan->ephemeral);
        }
        return 0;
}

/* The record of a limit would outlive the layer. */
int layer_remove(int layers_fd, const char *layer) {
        _cleanup_close_ int fd = openat(layers_fd, layer, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0 && layer_quota_has(fd))
                (void) layer_quota_set(fd, 0, 0);
        return remove_tree(layers_fd, layer);
}

int layer_open(const Plan *plan, const State *state, int image_fd, int *ret_mount_fd) {
        _cleanup_close_ int layers_fd = -EBADF, fd = -EBADF, mount_fd = -EBADF;
        const char *name = plan->name;
        bool ephemeral = plan->ephemeral;
        LayerName layer;
        int r;

        snprintf(layer, sizeof(layer), "%s%s", name, ephemeral ? EPHEMERAL : "");
        layers_fd = data_open("layers");
        if (layers_fd < 0)
                return log_error_errno(layers_fd, "cannot make '%s': %m", LAYERS);
        if (ephemeral && holds(layers_fd, layer)) {
                _cleanup_patience_ Patience patience =
                                patience_begin("Removing what an earlier start has left");

                r = layer_remove(layers_fd, layer);
                if (r < 0)
                        return log_error_errno(r, "cannot remove what an earlier start left in '%s/%s': %m",
                                               LAYERS, layer);
        }
        fd = make_layer(layers_fd, layer, ephemeral);
        if (fd < 0)
                return fd;
        if (!ephemeral) {
                r = check_stamp(fd, layer, state->image, state->image_digest);
                if (r >= 0)
                        r = note(fd, layer, IMAGE, state->image, strlen(state->image));
                if (r < 0)
                        return r;
        }
        r = open_disk(layers_fd, fd, layer, plan);
        if (r < 0)
                return r;
        mount_fd = r > 0 ? r : -EBADF;
        r = make_directories(mount_fd >= 0 ? mount_fd : fd, image_fd);
        if (r < 0)
                return log_error_errno(r, "cannot prepare '%s/%s': %m", LAYERS, layer);
        if (mount_fd < 0) {
                mount_fd = mount_clone(fd, "");
                if (mount_fd < 0)
                        return log_error_errno(mount_fd, "the layer cannot be bound: %m");
        }
        *ret_mount_fd = TAKE_FD(mount_fd);
        return TAKE_FD(fd);
}

int layer_limit(const Plan *plan, int layer_fd) {
        int r;

        if (plan->disk == 0 || layer_fd < 0 || !layer_quota_has(layer_fd))
                return 0;
        r = layer_quota_set(layer_fd, plan->disk, 0);
        return r < 0 ? log_error_errno(r, "the layer of '%s' cannot be limited: %m", plan->name) : 0;
}

int layer_open_files(int layer_fd, const char *name, bool running, bool *ret_mounted) {
        char shown[sizeof("layer ") + sizeof(LayerName)];
        bool mounted = holds(layer_fd, LAYER_DISK);
        int fd;

        snprintf(shown, sizeof(shown), "layer %s", name);
        fd = !mounted  ? fcntl(layer_fd, F_DUPFD_CLOEXEC, 3)
             : running ? layer_disk_mount_running(layer_fd, shown)
                       : layer_disk_mount(layer_fd, shown);
        if (fd < 0)
                return mounted ? fd : log_error_errno(errno, "%s: %m", shown);
        *ret_mounted = mounted;
        return fd;
}

int layer_open_kept(const char *name, bool exclusive, Image *ret_image) {
        _cleanup_close_ int layers_fd = -EBADF, fd = -EBADF;
        _cleanup_image_ Image image = IMAGE_NONE;
        _cleanup_free_ char *noted = NULL;
        int r;

        layers_fd = data_open("layers");
        if (layers_fd < 0)
                return log_error_errno(layers_fd, "cannot make '%s': %m", LAYERS);
        fd = layer_lock(layers_fd, name, exclusive);
        if (fd == -ENOENT)
                return fd;
        if (fd == -EBUSY)
                return log_error_errno(fd,
                                       "the kept layer %s/%s is just being used by somebody else; try again",
                                       LAYERS, name);
        if (fd < 0)
                return log_error_errno(fd, "cannot open '%s/%s': %m", LAYERS, name);
        r = read_file_at(fd, IMAGE, 8192, &noted, NULL);
        if (r < 0)
                return log_error_errno(
                                EBADMSG,
                                "the kept layer %s/%s does not say over which image it belongs; start "
                                "the container once",
                                LAYERS, name);
        r = image_open(noted, &image);
        if (r >= 0)
                r = check_stamp(fd, name, noted, image.metadata.digest);
        if (r < 0)
                return r == -ENOENT ? -EIO : r; /* logged */
        *ret_image = image;
        image = IMAGE_NONE;
        return TAKE_FD(fd);
}

int layer_remove_ephemeral(const char *name) {
        _cleanup_close_ int layers_fd = -EBADF;
        LayerName layer;
        int r;

        layers_fd = data_open("layers");
        if (layers_fd < 0)
                return log_error_errno(layers_fd, "cannot open '%s': %m", LAYERS);
        snprintf(layer, sizeof(layer), "%s%s", name, EPHEMERAL);
        r = layer_remove(layers_fd, layer);
        return r < 0 ? log_error_errno(r, "cannot remove '%s/%s': %m", LAYERS, layer) : 0;
}
