/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/prepare-roots.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/mount.h"
#include "helper/launch/device.h"
#include "helper/launch/layer.h"
#include "helper/launch/volume.h"

/* A root that nobody may write to needs no layer on disk, if all that is mounted in it has its place in the image. */
static bool needs_layer(const Launch *launch) {
        const Plan *plan = &launch->plan;

        if (!plan->read_only || !plan->ephemeral ||
            !etc_has_places(launch->image.fd, launch->etc, launch->n_etc))
                return true;
        for (size_t i = 0; i < plan->n_mounts; i++) {
                bool directory = true;
                _cleanup_close_ int fd = open_in_root(launch->image.fd, plan->mounts[i].target, O_PATH);
                struct stat st;

                if (launch->mount_fds[i] >= 0) {
                        if (fstat(launch->mount_fds[i], &st) < 0)
                                return true;
                        directory = S_ISDIR(st.st_mode);
                }
                if (fd < 0 || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) != directory)
                        return true;
        }
        return false;
}

/* What is not the layer's own while the container runs, for those who work on it while it does not. */
static int note_mounts(const Launch *launch) {
        const Plan *plan = &launch->plan;
        _cleanup_strv_ char **noted = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < 3; i++)
                r = strv_append(&noted, ((const char *const[]){ "d/proc", "d/sys", "d/dev" })[i]);
        if (r >= 0 && (plan->read_only || plan->shared_run))
                r = strv_append(&noted, "d/run");
        if (r >= 0 && plan->read_only)
                r = strv_append(&noted, "d/tmp");
        for (size_t i = 0; r >= 0 && i < launch->n_etc; i++)
                r = strv_appendf(&noted, "f/etc/%s", launch->etc[i].name);
        for (size_t i = 0; r >= 0 && i < plan->n_mounts; i++) {
                struct stat st = { .st_mode = S_IFDIR };

                if (launch->mount_fds[i] >= 0 && fstat(launch->mount_fds[i], &st) < 0)
                        return log_error_errno(errno, "mount '%s': %m", plan->mounts[i].target);
                r = strv_appendf(&noted, "%c%s", S_ISDIR(st.st_mode) ? 'd' : 'f', plan->mounts[i].target);
        }
        return r < 0 ? log_oom() : layer_note_mounts(launch->lock_fd, plan->name, noted);
}

static int open_layer(Launch *launch) {
        if (!launch->plan.image || !needs_layer(launch))
                return 0;
        launch->layered = true;
        launch->lock_fd = layer_open(&launch->plan, &launch->state, launch->image.fd, &launch->layer_fd);
        return launch->lock_fd < 0 ? launch->lock_fd : launch->plan.ephemeral ? 0 : note_mounts(launch);
}

static int open_image(Launch *launch) {
        const Plan *plan = &launch->plan;
        int image_fd = launch->image.fd;

        if (plan->profile != PROFILE_NONE)
                return profile_open(plan, launch->state.uid_base, &launch->profile);
        if (launch->image.mounted) { /* of a detached mount there is no clone before Linux 6.15 */
                launch->image_fd = fcntl(image_fd, F_DUPFD_CLOEXEC, 3);
                if (launch->image_fd < 0)
                        return log_error_errno(errno, "image '%s': %m", plan->image);
        } else
                launch->image_fd = mount_clone(image_fd, "");
        if (launch->image_fd < 0)
                return log_error_errno(launch->image_fd, "image '%s': cannot be bound: %m", plan->image);
        return 0;
}

/* A directory of the host as it is: what is mounted below it stays outside, and its files are nobody's inside. */
static int open_host(const char *path, int *ret) {
        const uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        int r = *ret = mount_clone(AT_FDCWD, path);

        if (r >= 0)
                r = mount_set(*ret, attributes);
        return r < 0 ? log_error_errno(r, "'%s' of the host cannot be bound: %m", path) : 0;
}

static int open_shared(Launch *launch) {
        const Plan *plan = &launch->plan;
        bool own = plan->private_users == PRIVATE_USERS_PICK ||
                   (plan->private_users == PRIVATE_USERS_RANGE && plan->uid_base > 0);
        int r = 0;

        if (plan->shared_run && !own)
                return log_error_errno(
                                EINVAL,
                                "SharedRun=yes needs user ids of its own: with PrivateUsers=no or identity the "
                                "container's root is the host's, and could write to all of /run");
        if (plan->host_pids && !own)
                return log_error_errno(
                                EINVAL,
                                "PidNamespace=host needs user ids of its own: with PrivateUsers=no or identity the "
                                "container's root is the host's, and could end all of the host's processes");
        if (plan->shared_run)
                r = open_host("/run", &launch->run_fd);
        if (r >= 0 && plan->host_pids)
                r = open_host("/proc", &launch->pids_fd);
        if (r >= 0 && plan->host_ipc)
                r = open_host("/dev/shm", &launch->shm_fd);
        if (r >= 0 && plan->host_ipc && access("/dev/mqueue", F_OK) == 0)
                r = open_host("/dev/mqueue", &launch->mqueue_fd);
        return r;
}

int prepare_roots(Launch *launch) {
        const Plan *plan = &launch->plan;
        int r = open_image(launch);

        if (r >= 0)
                r = open_shared(launch);
        if (r < 0)
                return r;
        if (plan->network == NETWORK_HOST) {
                launch->sys_fd = mount_clone(AT_FDCWD, "/sys");
                r = launch->sys_fd < 0 ? launch->sys_fd
                                       : mount_set(launch->sys_fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                                                                   MOUNT_ATTR_NODEV |
                                                                                   MOUNT_ATTR_NOEXEC);
                if (r < 0)
                        return log_error_errno(r, "/sys cannot be bound: %m");
        }
        launch->mount_fds = calloc(plan->n_mounts + 1, sizeof(int));
        if (!launch->mount_fds)
                return log_oom();
        for (size_t i = 0; i < plan->n_mounts; i++)
                launch->mount_fds[i] = -EBADF;
        for (size_t i = 0; i < plan->n_mounts; i++) {
                if (plan->mounts[i].type == MOUNT_TMPFS)
                        continue;
                launch->mount_fds[i] = volume_open(plan->name, &plan->mounts[i],
                                                   plan->image ? launch->image.fd : launch->profile.fd);
                if (launch->mount_fds[i] < 0)
                        return launch->mount_fds[i];
        }
        return 0;
}

int prepare_own(Launch *launch) {
        uid_t root = launch->state.uid_base;

        launch->etc_fd = etc_tmpfs(root, root);
        return launch->etc_fd < 0 ? launch->etc_fd : open_layer(launch);
}

/* An empty tmpfs; size 0: what the kernel gives, half of the memory. */
static int make_scratch(const char *path, const char *mode, uint64_t size, uid_t root, uint64_t attributes) {
        char uid_option[32], gid_option[32], size_option[32];
        const char *const options[] = { mode, uid_option, gid_option, size > 0 ? size_option : NULL, NULL };
        int fd;

        snprintf(uid_option, sizeof(uid_option), "uid=%u", root);
        snprintf(gid_option, sizeof(gid_option), "gid=%u", root);
        snprintf(size_option, sizeof(size_option), "size=%" PRIu64, size);
        fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | attributes);
        return fd < 0 ? log_error_errno(fd, "cannot make a tmpfs for %s: %m", path) : fd;
}

int prepare_memory(Launch *launch) {
        const Plan *plan = &launch->plan;
        uid_t root = launch->state.uid_base;
        int r;

        r = launch->device_fd = device_tmpfs(root, root, plan->n_devices);
        if (r >= 0)
                r = device_fill(launch->device_fd, root, root, plan->devices, plan->n_devices);
        if (r >= 0 && !plan->host_ipc)
                r = launch->shm_fd = make_scratch("/dev/shm", "mode=1777",
                                                  plan->shm_size > 0 ? plan->shm_size : UINT64_C(64) << 20,
                                                  root, MOUNT_ATTR_NOEXEC);
        if (r < 0 || !plan->read_only)
                return r;
        /* A root that nobody may write to still needs a place for sockets and scratch files. */
        if (!plan->shared_run)
                r = launch->run_fd = make_scratch("/run", "mode=0755", 0, root, 0);
        if (r >= 0)
                r = launch->tmp_fd = make_scratch("/tmp", "mode=1777", 0, root, 0);
        return r;
}
