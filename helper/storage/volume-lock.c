/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/volume-lock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/container/aside.h"
#include "helper/container/data.h"
#include "helper/storage/mounted.h"
#include "helper/storage/volume-use.h"

void volume_done(Volume *volume) {
        free(volume->owner);
        close_fd(volume->dir_fd);
}

int volume_parse(const char *word, Volume *ret) {
        const char *colon = strchr(word, ':');

        ret->word = word;
        ret->owner = strndup(word, strcspn(word, ":"));
        if (!ret->owner)
                return log_oom();
        if (!colon || !name_valid(ret->owner, false) || !volume_name_valid(colon + 1))
                return log_error_errno(EINVAL, "'%s' is not NAME:VOLUME", word);
        ret->name = colon + 1;
        return 0;
}

bool volume_exists(const Volume *volume) {
        struct stat st;

        return volume->dir_fd >= 0 && fstatat(volume->dir_fd, volume->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISDIR(st.st_mode);
}

/* What killed ones have left: whoever has the lock is alone. */
static int sweep(const Volume *volume) {
        static const char *const prefixes[] = { ".new-", ".restore-" };
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;
        int r;

        r = directory_open(volume->dir_fd, ".", 0, &dir);
        while (r >= 0 && (r = directory_next(dir, &entry)) > 0)
                for (size_t i = 0; r >= 0 && i < ARRAY_LEN(prefixes); i++)
                        if (startswith(entry->d_name, prefixes[i]))
                                r = remove_tree(volume->dir_fd, entry->d_name);
        return r < 0 ? r : aside_sweep(volume->dir_fd);
}

int volume_lock(Volume *volume, bool make, bool change) {
        _cleanup_close_ int store_fd = data_open("volumes");
        int r;

        umask(0);
        if (store_fd < 0)
                return log_error_errno(store_fd, "cannot open '%s': %m", VOLUMES);
        volume->dir_fd = make ? make_path(store_fd, volume->owner, 0700)
                              : open_beneath(store_fd, volume->owner, O_RDONLY | O_DIRECTORY);
        if (volume->dir_fd == -ENOENT)
                return 0;
        if (volume->dir_fd < 0)
                return log_error_errno(volume->dir_fd, "cannot open '%s/%s': %m", VOLUMES, volume->owner);
        if (flock(volume->dir_fd, (change ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
                return errno == EWOULDBLOCK
                                       ? log_error_errno(EBUSY,
                                                         "the volumes of '%s' are just being used by a start or by "
                                                         "somebody else; try again",
                                                         volume->owner)
                                       : log_error_errno(errno, "cannot lock '%s/%s': %m", VOLUMES,
                                                         volume->owner);
        r = change ? sweep(volume) : 0;
        if (r < 0)
                return log_error_errno(r, "cannot remove what was left in '%s/%s': %m", VOLUMES,
                                       volume->owner);
        return 0;
}

int volume_refuse_used(const Volume *volume, const char *remedy) {
        char path_end[512]; /* names are not half as long */
        _cleanup_strv_ char **users = NULL;
        pid_t pid;
        int r = volume_find_users(volume->owner, volume->name, &users);

        if (r < 0)
                return r;
        if (users)
                return log_error_errno(EBUSY, "container '%s' uses the volume '%s'; stop it first%s",
                                       users[0], volume->word, remedy);
        /* A container that has lost its state uses its volumes all the same. */
        snprintf(path_end, sizeof(path_end), "/volumes/%s/%s", volume->owner, volume->name);
        r = mounted_find(path_end, &pid);
        if (r < 0)
                return log_error_errno(r, "cannot tell whether '%s' is mounted: %m", volume->word);
        if (r == 0)
                return 0;
        return log_error_errno(EBUSY, "the volume '%s' is mounted for process %d; end that first%s",
                               volume->word, pid, remedy);
}

int volume_refuse_missing(const Volume *volume) {
        log_error("there is no volume '%s'", volume->word);
        return EXIT_NO_SUCH;
}

int volume_make_beside(const Volume *volume, const char *what, char ret_name[static VOLUME_BESIDE_SIZE]) {
        uint64_t number;
        int fd;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return log_error_errno(errno, "cannot get random bytes: %m");
        snprintf(ret_name, VOLUME_BESIDE_SIZE, ".%s-%016" PRIx64, what, number);
        if (mkdirat(volume->dir_fd, ret_name, 0700) < 0)
                return log_error_errno(errno, "'%s': cannot make a directory: %m", volume->word);
        fd = openat(volume->dir_fd, ret_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? log_error_errno(errno, "'%s': %m", volume->word) : fd;
}
