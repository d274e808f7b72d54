/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/layer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"

#define LAYERS    BERTH_DATA_DIR "/layers"
#define EPHEMERAL ".ephemeral"
#define STAMP     "image" /* which image the layer belongs over */

typedef char LayerName[NAME_LENGTH_MAX + sizeof(EPHEMERAL)];

/* The layers hold files of which some are set-uid or carry capabilities: nobody but root may come near them. */
static int open_layers(void) {
        _cleanup_close_ int data_fd = -EBADF;

        data_fd = make_path(AT_FDCWD, BERTH_DATA_DIR, 0755);
        return data_fd < 0 ? data_fd : make_path(data_fd, "layers", 0700);
}

static int check_stamp(int layer_fd, const char *name, const char *image) {
        _cleanup_free_ char *stamp = NULL;
        int r;

        r = read_file_at(layer_fd, STAMP, 8192, &stamp, NULL);
        if (r == -ENOENT) {
                r = write_file_at(layer_fd, STAMP, image, strlen(image), 0600);
                return r < 0 ? log_error_errno(r, "Cannot write '%s/%s/%s': %m", LAYERS, name, STAMP) : 0;
        }
        if (r < 0)
                return log_error_errno(r, "Cannot read '%s/%s/%s': %m", LAYERS, name, STAMP);
        if (!streq(stamp, image))
                return log_error_errno(
                                ESTALE,
                                "the kept layer %s/%s belongs to image '%s', not to '%s'; go back to that "
                                "image, or move the layer away (what the container wrote is in it)",
                                LAYERS, name, stamp, image);
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

int layer_open(const char *name, bool ephemeral, const char *image, int image_fd) {
        _cleanup_close_ int layers_fd = -EBADF, fd = -EBADF;
        LayerName layer;
        int r;

        snprintf(layer, sizeof(layer), "%s%s", name, ephemeral ? EPHEMERAL : "");
        layers_fd = open_layers();
        if (layers_fd < 0)
                return log_error_errno(layers_fd, "Cannot make '%s': %m", LAYERS);
        if (ephemeral) {
                r = remove_tree(layers_fd, layer);
                if (r < 0)
                        return log_error_errno(r, "Cannot remove what an earlier start left in '%s/%s': %m",
                                               LAYERS, layer);
        }
        fd = make_path(layers_fd, layer, 0700);
        if (fd < 0)
                return log_error_errno(fd, "Cannot make '%s/%s': %m", LAYERS, layer);
        if (!ephemeral) {
                r = check_stamp(fd, layer, image);
                if (r < 0)
                        return r;
        }
        r = make_directories(fd, image_fd);
        if (r < 0)
                return log_error_errno(r, "Cannot prepare '%s/%s': %m", LAYERS, layer);
        return TAKE_FD(fd);
}

int layer_remove_ephemeral(const char *name) {
        _cleanup_close_ int layers_fd = -EBADF;
        LayerName layer;
        int r;

        layers_fd = open_layers();
        if (layers_fd < 0)
                return log_error_errno(layers_fd, "Cannot open '%s': %m", LAYERS);
        snprintf(layer, sizeof(layer), "%s%s", name, EPHEMERAL);
        r = remove_tree(layers_fd, layer);
        return r < 0 ? log_error_errno(r, "Cannot remove '%s/%s': %m", LAYERS, layer) : 0;
}
