/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/manifests.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"

#define DIRECTORY_MAX 1024

bool manifests_is_mask(int dir_fd, const char *name) {
        static const char null[] = "/dev/null";
        char target[sizeof(null)];

        return readlinkat(dir_fd, name, target, sizeof(target)) == sizeof(null) - 1 &&
               memcmp(target, null, sizeof(null) - 1) == 0;
}

static bool is_directory_path(const char *directory) {
        for (const char *c = directory; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        return false;
        return directory[0] == '/' && strlen(directory) <= DIRECTORY_MAX;
}

int manifests_each_directory(int root_fd, const char *path,
                             int (*step)(int fd, const char *directory, void *userdata), void *userdata) {
        for (const char *s = path; *s; s += strspn(s, ":")) {
                _cleanup_free_ char *directory = strndup(s, strcspn(s, ":"));
                size_t n;
                int fd, r;

                if (!directory)
                        return -ENOMEM;
                s += strlen(directory);
                n = strlen(directory);
                while (n > 1 && directory[n - 1] == '/')
                        directory[--n] = '\0';
                if (!is_directory_path(directory))
                        return log_error_errno(EINVAL,
                                               "'%s' is no absolute path of a directory; write /DIR:/DIR...",
                                               directory);
                fd = open_in_root(root_fd, directory, O_RDONLY | O_DIRECTORY);
                if (fd < 0) {
                        if (fd != -ENOENT)
                                (void) log_error_errno(fd, "cannot open the directory '%s': %m", directory);
                        continue;
                }
                r = step(fd, directory, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

typedef struct Wanted {
        const char *file;
        ManifestState state;
} Wanted;

static int look(int fd, const char *directory _unused_, void *userdata) {
        _cleanup_close_ int own_fd = fd;
        Wanted *wanted = userdata;
        struct stat st;

        if (fstatat(own_fd, wanted->file, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        wanted->state = manifests_is_mask(own_fd, wanted->file) ? MANIFEST_MASKED : MANIFEST_PRESENT;
        return 1; /* the first counts */
}

static int look_foreign(int fd, const char *directory _unused_, void *userdata) {
        _cleanup_close_ int own_fd = fd;
        struct stat st;

        return fstatat(own_fd, userdata, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
               !manifests_is_mask(own_fd, userdata);
}

int manifests_find_foreign(int root_fd, const char *path, const char *unit, bool *ret) {
        const char *at = strchr(unit, '@');
        _cleanup_free_ char *template = NULL, *name = strdup(unit);
        int r;

        if (!name)
                return -ENOMEM;
        r = manifests_each_directory(root_fd, path, look_foreign, name);
        if (r == 0 && at && at[1] != '.') {
                if (asprintf(&template, "%.*s%s", (int) (at - unit) + 1, unit, strrchr(unit, '.')) < 0) {
                        template = NULL;
                        return -ENOMEM;
                }
                r = manifests_each_directory(root_fd, path, look_foreign, template);
        }
        if (r < 0)
                return r;
        *ret = r > 0;
        return 0;
}

int manifests_find(int root_fd, const char *path, const char *name, ManifestState *ret) {
        const char *at = strchr(name, '@');
        const size_t lengths[] = { strlen(name), at ? (size_t) (at - name) + 1 : 0 };
        Wanted wanted = { .state = MANIFEST_ABSENT };

        for (size_t i = 0; wanted.state == MANIFEST_ABSENT && i < ARRAY_LEN(lengths); i++) {
                _cleanup_free_ char *file = NULL;
                int r;

                if (lengths[i] == 0)
                        continue;
                if (asprintf(&file, "%.*s" MANIFEST_SUFFIX, (int) lengths[i], name) < 0) {
                        file = NULL;
                        return -ENOMEM;
                }
                wanted.file = file;
                r = manifests_each_directory(root_fd, path, look, &wanted);
                if (r < 0)
                        return r;
        }
        *ret = wanted.state;
        return 0;
}
