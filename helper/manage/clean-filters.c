/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/manage/clean-filters.h"

#include <fcntl.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/strv.h"
#include "helper/container/inventory.h"
#include "helper/launch/filter-own.h"

/* The programs of the filters that running containers have, by digest. */
static int find_used(char ***ret) {
        _cleanup_strv_ char **names = NULL, **used = NULL;
        int r;

        r = state_list(&names);
        for (char **name = names; r >= 0 && name && *name; name++) {
                _cleanup_item_ Item item = {};
                uint8_t digest[SHA256_SIZE];
                char hex[SHA256_HEX_SIZE];

                r = item_open_doubtful(*name, &item); /* what it has loaded it needs no file for */
                if (r < 0 || !item_runs(&item) || !item.state.filter)
                        continue;
                sha256(item.state.filter, item.state.filter_size, digest);
                sha256_hex(digest, hex);
                r = strv_append(&used, hex);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(used);
        return 0;
}

static bool is_used(int dir_fd, const char *file, char *const *used) {
        _cleanup_close_ int fd =
                        openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        char hex[SHA256_HEX_SIZE];
        FilterHeader header;

        if (fd < 0 || read(fd, &header, sizeof(header)) != sizeof(header))
                return false;
        sha256_hex(header.program, hex);
        return strv_contains(used, hex);
}

int clean_filters(bool (*keep)(const void *userdata, int dir_fd, const char *file), const void *userdata) {
        _cleanup_strv_ char **used = NULL, **files = NULL;
        _cleanup_close_ int dir_fd = open(FILTER_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int n = 0, r;

        if (dir_fd < 0)
                return errno == ENOENT ? 0 : log_error_errno(errno, "cannot open '%s': %m", FILTER_DIR);
        r = directory_names(dir_fd, ".", 0, NULL, &files);
        if (r >= 0)
                r = find_used(&used);
        if (r < 0)
                return log_error_errno(r, "cannot clean '%s': %m", FILTER_DIR);
        for (char **file = files; file && *file; file++) {
                if (keep(userdata, dir_fd, *file) || is_used(dir_fd, *file, used))
                        continue;
                if (unlinkat(dir_fd, *file, 0) < 0 && errno != ENOENT)
                        return log_error_errno(errno, "cannot remove '%s/%s': %m", FILTER_DIR, *file);
                n++;
        }
        return n;
}
