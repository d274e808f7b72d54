/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/image-verbs.h"
#include "helper/storage/snapshot-verbs.h"
#include "helper/storage/volume-verbs.h"
#include "helper/verbs/program.h"

/* berth-storage: images, volumes and snapshots, apart from what must start fast and from what may not load libraries.
 * "berth image" and the like execute it. */

/* clang-format off */
static const SubverbFunction image_functions[] = {
        { "import",  image_import },
        { "list",    image_list },
        { "inspect", image_inspect },
        { "verify",  image_verify },
        { "remove",  image_remove },
        { "prune",   image_prune },
};

static const SubverbFunction snapshot_functions[] = {
        { "create",  snapshot_verb_create },
        { "list",    snapshot_verb_list },
        { "restore", snapshot_verb_restore },
        { "remove",  snapshot_verb_remove },
};

static const SubverbFunction volume_functions[] = {
        { "list",    volume_verb_list },
        { "create",  volume_verb_create },
        { "remove",  volume_verb_remove },
        { "backup",  volume_verb_backup },
        { "restore", volume_verb_restore },
};

static int verb_image(int argc _unused_, char *argv[]) {
        return subverbs_run(verb_find("image"), argv, image_functions, ARRAY_LEN(image_functions));
}

static int verb_snapshot(int argc _unused_, char *argv[]) {
        return subverbs_run(verb_find("snapshot"), argv, snapshot_functions, ARRAY_LEN(snapshot_functions));
}

static int verb_volume(int argc _unused_, char *argv[]) {
        return subverbs_run(verb_find("volume"), argv, volume_functions, ARRAY_LEN(volume_functions));
}

static const ProgramVerb functions[] = {
        { "commit",   verb_commit },
        { "image",    verb_image },
        { "snapshot", verb_snapshot },
        { "volume",   verb_volume },
};
/* clang-format on */

int main(int argc, char *argv[]) {
        return program_run("berth-storage", functions, ARRAY_LEN(functions), argc, argv);
}
