/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/image.h"
#include "helper/container/mount.h"
#include "helper/launch/layer.h"
#include "helper/storage/image-verbs.h"
#include "helper/storage/snapshot-store.h"
#include "helper/storage/snapshot-take.h"
#include "helper/storage/store.h"
#include "helper/text/print.h"

/* berth commit: an image of what a container keeps over its own. The two are stacked as they are for the container, in
 * a mount namespace of ours, and imported like any directory. */

#define UNFINISHED SNAPSHOT_NEW "commit"
#define PLACE      BERTH_DATA_DIR "/layers" /* what is there is held as a descriptor */

/* Attached, both: before Linux 6.15 nothing detached can be stacked or cloned. */
static int stack(Snapshot *s, const Image *image, int files_fd) {
        _cleanup_close_ int image_fd = -EBADF, overlay_fd = -EBADF;
        char lower[96];
        const char *const options[] = { lower, "userxattr", NULL };

        if (image->mounted && mount_attach(image->fd, s->layers_fd) < 0)
                return log_error_errno(errno, "cannot attach the image: %m");
        if (s->mounted && mount_attach(s->files_fd, s->layers_fd) < 0)
                return log_error_errno(errno, "cannot attach the layer: %m");
        snprintf(lower, sizeof(lower), "lowerdir=/proc/self/fd/%d/up:/proc/self/fd/%d", files_fd, image->fd);
        overlay_fd = mount_new("overlay", options,
                               MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        if (overlay_fd < 0)
                return log_error_errno(overlay_fd, "cannot stack the layer over its image: %m");
        image_fd = open(PLACE, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (image_fd < 0 || mount_attach(overlay_fd, image_fd) < 0)
                return log_error_errno(errno, "cannot attach the stack: %m");
        return 0;
}

/* What the image below says of itself holds for the new one as well. */
static json_object *read_base(const char *image) {
        _cleanup_free_ char *path = NULL;
        json_object *base = NULL;

        if (image[0] != '/' && asprintf(&path, BERTH_DATA_DIR "/images/%s.json", image) >= 0)
                (void) store_read_json(AT_FDCWD, path, &base);
        return base ? base : json_object_new_object();
}

static int import(const char *name, const char *id, json_object *base, bool json, bool force) {
        char *operands[] = { (char[]){ PLACE }, NULL };
        char *yes[] = { (char[]){ "" }, NULL };
        _cleanup_strv_ char **ids = NULL;
        _cleanup_free_ char *said = NULL;
        SubverbCall call = { .verb = verb_find("image"),
                             .subverb = &image_subverbs[0],
                             .operands = operands };

        if (strv_append(&ids, id) < 0 || asprintf(&said, "container %s", name) < 0)
                return log_oom(), EXIT_FAILED;
        call.values[IMAGE_NAME] = ids;
        call.values[IMAGE_JSON] = json ? yes : NULL;
        call.values[IMAGE_FORCE] = force ? yes : NULL;
        return image_import_tree(&call, said, base);
}

static int commit(const char *name, const char *id, bool json, bool force) {
        _cleanup_close_ int copy_fd = -EBADF;
        _cleanup_snapshot_ Snapshot s = SNAPSHOT_NONE;
        _cleanup_json_ json_object *base = NULL;
        _cleanup_image_ Image image = IMAGE_NONE;
        _cleanup_free_ char *noted = NULL;
        int r;

        /* First: only what is opened in a namespace can be stacked there. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return log_error_errno(errno, "cannot make a mount namespace: %m"), EXIT_FAILED;
        r = snapshot_hold(&s, name, /* needs_layer= */ true, /* may_run= */ true);
        if (r < 0)
                return r == -ENOENT ? EXIT_NO_SUCH : EXIT_FAILED;
        r = read_file_at(s.layer_fd, "name", 8192, &noted, NULL);
        if (r < 0)
                return log_error_errno(r, "the layer of container '%s' does not say what it is over: %m",
                                       name),
                       EXIT_FAILED;
        if (image_open(noted, &image) < 0 || layer_belongs(s.layer_fd, name, noted, &image) < 0)
                return EXIT_FAILED;
        base = read_base(noted);
        if (!base)
                return log_oom(), EXIT_FAILED;
        if (item_runs(&s.item) && snapshot_copy_standing(&s, UNFINISHED, &copy_fd) < 0)
                r = EXIT_FAILED;
        else if (stack(&s, &image, copy_fd >= 0 ? copy_fd : s.files_fd) < 0)
                r = EXIT_FAILED;
        else
                r = import(name, id, base, json, force);
        (void) remove_tree(s.dir_fd, UNFINISHED);
        return r;
}

int verb_commit(int argc _unused_, char *argv[]) {
        OptionParser parser = { .options = commit_options, .argv = argv };
        const char *value, *name = NULL, *id = NULL;
        bool json = false, force = false;
        int r;

        while ((r = options_next(&parser, &value)) != OPTIONS_END) {
                if (r == COMMIT_JSON)
                        json = true;
                else if (r == COMMIT_FORCE)
                        force = true;
                else if (r == OPTIONS_HELP)
                        return verb_help("commit");
                else if (r == OPTIONS_OPERAND && !name)
                        name = value;
                else if (r == OPTIONS_OPERAND && !id)
                        id = value;
                else {
                        if (r == OPTIONS_OPERAND)
                                log_error("commit takes the name of a container and an ID: %s", value);
                        return EXIT_USAGE;
                }
        }
        if (!id) {
                log_error("commit needs the name of a container and the ID of an image, see berth commit --help");
                return EXIT_USAGE;
        }
        return commit(name, id, json, force);
}
