/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/launch/etc.h"
#include "helper/launch/plan.h"
#include "helper/launch/profile.h"

/* The container's root file system, built by the leader in its own mount namespace out of descriptors that the helper
 * opened. The order of the steps is the module's secret. Everything logs. */

typedef struct Root { /* borrows; the descriptors are the helper's */
        const Plan *plan;
        int image_fd; /* detached clone, ids mapped */
        int layer_fd; /* detached clone of a directory holding up/ and work/, ids mapped; negative: none */
        const ProfileBind *binds; /* of the host's files, without an image */
        size_t n_binds;
        int device_fd; /* detached tmpfs for /dev */
        int etc_fd;    /* detached tmpfs of etc */
        int sys_fd;    /* detached read-only clone of the host's /sys, or negative: a sysfs of its own */
        int pids_fd;   /* detached clone of the host's /proc, or negative: a procfs of its own */
        int run_fd, tmp_fd; /* detached tmpfs for /run and /tmp, or a clone of the host's /run; negative: none */
        int shm_fd;         /* for /dev/shm likewise */
        int mqueue_fd;      /* detached clone of the host's, or negative */
        int *mount_fds;     /* one per plan->mounts, detached, ids mapped; negative for a tmpfs */
        const EtcFile *etc; /* the files of /etc that are in etc_fd */
        size_t n_etc;
        bool notify;    /* the command may speak to systemd, at NOTIFY_PATH */
        int secrets_fd; /* detached tmpfs for SECRETS_PATH, or negative */
        int notify_fd; /* Init=no: detached clone of systemd's own socket; else, once root_fill() has run, ours */
        bool host_root;    /* the host's uid 0 is in the container: kernel files must be closed to it */
        bool small;        /* fewer than 6 ids: no group tty inside */
        unsigned attached; /* mounts made so far */
        int fd;            /* the new root, once root_overlay() has made it */
        int proc_fd;       /* its /proc, once root_fill_first() has mounted it */
} Root;

/* Without an image, image_fd is the root itself, and parts of the host are bound on it. Else stacks the layer over the
 * image and attaches that above the old root; without a layer the root cannot be written, by whatever capability.
 * root->fd is it from then on. */
int root_overlay(Root *root);

/* Mounts /proc and the files of /etc below it. */
int root_fill_first(Root *root);

/* Closes /proc/sys, and mounts /sys and cgroup: in the container's network, which they show. */
int root_fill_kernel(Root *root);

/* Mounts all else: /dev, /run, /tmp and the plan's mounts. */
int root_fill(Root *root);

/* Attaches a detached tree of mounts and counts all of them as made for the container. Does not log. */
int root_attach_tree(Root *root, int tree_fd, int target_fd);

/* Makes it the root, detaches the old one, and checks that nothing of the host is left to be seen. */
int root_enter(Root *root);
