/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* berth volume backup and restore: a volume to an archive and back. Whoever reads and writes archives is a process that
 * has nothing but the files. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/aside.h"
#include "helper/container/command.h"
#include "helper/container/data.h"
#include "helper/container/frozen.h"
#include "helper/storage/arrive.h"
#include "helper/storage/pack.h"
#include "helper/storage/spool.h"
#include "helper/storage/volume-lock.h"
#include "helper/storage/volume-use.h"
#include "helper/storage/volume-verbs.h"
#include "helper/text/hold.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* -- that process -- */

static int wait_for(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (WIFEXITED(status))
                return WEXITSTATUS(status) == EXIT_DONE ? 0 : -ECANCELED; /* it has said why */
        return log_error_errno(ECHILD, "the process at the archive was killed by signal %d",
                               WTERMSIG(status));
}

static int run_confined(int directory_fd, int (*work)(const Inside *inside, void *userdata),
                        void *userdata) {
        pid_t pid = command_fork();

        if (pid < 0)
                return log_error_errno(pid, "cannot start a process: %m");
        if (pid == 0) {
                _cleanup_inside_ Inside inside = INSIDE_NONE;

                directory_allow_depth();
                if (inside_enter_host(directory_fd, &inside) < 0 || work(&inside, userdata) < 0)
                        _exit(EXIT_FAILED);
                _exit(EXIT_DONE);
        }
        return wait_for(pid);
}

/* -- backup -- */

typedef struct Backup {
        Volume *volume;
        int out_fd;
} Backup;

static int write_archive(const Inside *inside, void *userdata) {
        const Backup *backup = userdata;
        Progress progress = {};
        const Pack pack = {
                .inside = inside,
                .what = backup->volume->word,
                .out_fd = backup->out_fd,
                .zstd = true,
                .limits = { UINT64_MAX, UINT64_MAX },
                .progress = &progress,
        };

        progress_begin(&progress, backup->volume->word, 0);
        return pack_tree(&pack, backup->volume->dir_fd, backup->volume->name, ".");
}

static int freeze_all(const Volume *volume, Frozen **ret, size_t *ret_n) {
        _cleanup_strv_ char **users = NULL;
        int r = volume_find_users(volume->owner, volume->name, &users);

        if (r < 0)
                return r;
        *ret = calloc(strv_length(users) + 1, sizeof(Frozen));
        if (!*ret)
                return log_oom();
        for (char **user = users; r >= 0 && user && *user; user++) {
                _cleanup_item_ Item item = {};

                r = item_open(*user, &item);
                if (r >= 0 && item_runs(&item))
                        r = frozen_begin(&item, &(*ret)[(*ret_n)++]);
        }
        return r;
}

static int write_backup(Backup *backup, bool freeze) {
        Frozen *frozen = NULL;
        size_t n = 0;
        int r;

        r = freeze ? freeze_all(backup->volume, &frozen, &n) : 0;
        if (r >= 0)
                r = run_confined(backup->volume->dir_fd, write_archive, backup);
        while (n > 0) {
                int k = frozen_end(&frozen[--n]);

                r = r < 0 ? r : k;
        }
        free(frozen);
        return r;
}

/* backup/NAME/VOLUME-TIME.tar.zst, or where it was said. */
static int open_target(const Volume *volume, const char *file, char **ret_name, char **ret_path) {
        char stamp[32];
        time_t now = time(NULL);
        struct tm tm;
        int fd;

        if (!file) {
                _cleanup_close_ int store_fd = data_open("backup");

                if (store_fd < 0 || !gmtime_r(&now, &tm) ||
                    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) == 0)
                        return log_error_errno(store_fd < 0 ? store_fd : ERANGE,
                                               "cannot open '%s/backup': %m", BERTH_DATA_DIR);
                fd = make_path(store_fd, volume->owner, 0700);
                if (asprintf(ret_name, "%s-%s.tar.zst", volume->name, stamp) < 0 ||
                    asprintf(ret_path, "%s/backup/%s/%s", BERTH_DATA_DIR, volume->owner, *ret_name) < 0)
                        return log_oom();
        } else {
                const char *slash = strrchr(file, '/');
                _cleanup_free_ char *directory = !slash          ? strdup(".")
                                                 : slash == file ? strdup("/")
                                                                 : strndup(file, (size_t) (slash - file));

                *ret_name = strdup(slash ? slash + 1 : file);
                *ret_path = strdup(file);
                if (!directory || !*ret_name || !*ret_path)
                        return log_oom();
                fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        fd = -errno;
        }
        return fd < 0 ? log_error_errno(fd, "'%s': %m", *ret_path) : fd;
}

static int backup_to_file(Backup *backup, const char *file, bool freeze, bool json) {
        _cleanup_free_ char *name = NULL, *path = NULL, *unfinished = NULL;
        _cleanup_close_ int dir_fd = -EBADF, fd = -EBADF;
        struct stat st;
        int r;

        dir_fd = open_target(backup->volume, file, &name, &path);
        if (dir_fd < 0)
                return dir_fd;
        if (asprintf(&unfinished, ".%s.%d.tmp", name, getpid()) < 0)
                return log_oom();
        (void) unlinkat(dir_fd, unfinished, 0); /* of one that was killed and had our number */
        fd = openat(dir_fd, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return log_error_errno(errno, "'%s': %m", path);
        backup->out_fd = fd;
        r = write_backup(backup, freeze);
        if (r >= 0 && (fsync(fd) < 0 || fstat(fd, &st) < 0 ||
                       renameat(dir_fd, unfinished, dir_fd, name) < 0 || fsync(dir_fd) < 0))
                r = log_error_errno(errno, "'%s': cannot be written: %m", path);
        if (r < 0) {
                (void) unlinkat(dir_fd, unfinished, 0);
                return r;
        }
        if (json) {
                _cleanup_json_ json_object *object = json_object_new_object();

                json_add_string(object, "volume", backup->volume->word);
                json_add_string(object, "file", path);
                json_object_object_add(object, "size", json_object_new_int64(st.st_size));
                print_json(object);
        } else
                puts(path);
        return 0;
}

int volume_verb_backup(const SubverbCall *call) {
        _cleanup_volume_ Volume volume = VOLUME_NONE;
        Backup backup = { .volume = &volume, .out_fd = STDOUT_FILENO };
        const char *file = call->operands[1];
        bool freeze = subverb_has(call, VOLUME_FREEZE);
        int r;

        if (volume_parse(call->operands[0], &volume) < 0)
                return EXIT_USAGE;
        if (file && streq(file, "-") && isatty(STDOUT_FILENO)) {
                log_error("standard output is a terminal: redirect it, an archive is not for reading");
                return EXIT_USAGE;
        }
        if (volume_lock(&volume, /* make= */ false, /* change= */ false) < 0)
                return EXIT_FAILED;
        if (!volume_exists(&volume))
                return volume_refuse_missing(&volume);
        (void) signal(SIGPIPE, SIG_IGN);
        r = file && streq(file, "-") ? write_backup(&backup, freeze)
                                     : backup_to_file(&backup, file, freeze, subverb_has(call, VOLUME_JSON));
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* -- restore -- */

typedef struct Restore {
        const char *what;
        int fd;
        ExtractLimits limits;
} Restore;

static int read_archive(const Inside *inside, void *userdata) {
        const Restore *restore = userdata;
        Progress progress = {};
        const Arrival arrival = {
                .what = restore->what,
                .to = restore->what,
                .fd = restore->fd,
                .word_fd = -EBADF,
                .limits = restore->limits,
                .progress = &progress,
        };
        struct stat st;

        progress_begin(&progress, restore->what,
                       fstat(restore->fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t) st.st_size : 0);
        return arrive_unpack(&arrival, inside->root_fd);
}

/* The old content stays beside the new until that is in its place, and on disk. */
static int put_in_place(const Volume *volume, const char *name, int fd) {
        bool there = volume_exists(volume);
        int r;

        if (syncfs(fd) < 0 ||
            renameat2(volume->dir_fd, name, volume->dir_fd, volume->name,
                      there ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0 ||
            fsync(volume->dir_fd) < 0)
                return log_error_errno(errno, "'%s': cannot be put in place: %m", volume->word);
        r = there ? aside_remove(volume->dir_fd, name) : 0;
        return r < 0 ? log_error_errno(r, "'%s': the old content, '%s/%s/%s', cannot be removed: %m",
                                       volume->word, VOLUMES, volume->owner, name)
                     : 0;
}

static int restore_volume(const Volume *volume, Restore *restore) {
        _cleanup_close_ int fd = -EBADF;
        char name[VOLUME_BESIDE_SIZE];
        int r;

        fd = volume_make_beside(volume, "restore", name);
        if (fd < 0)
                return fd;
        r = fchmod(fd, 0755) < 0 ? log_error_errno(errno, "'%s': %m", volume->word)
                                 : run_confined(fd, read_archive, restore);
        if (r >= 0)
                r = put_in_place(volume, name, fd);
        else
                (void) remove_tree(volume->dir_fd, name);
        return r;
}

static int open_archive(const char *file) {
        int fd = streq(file, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                  : open(file, O_RDONLY | O_NOCTTY | O_CLOEXEC);

        return fd < 0 ? log_error_errno(errno, "'%s': %m", file) : fd;
}

/* Opens it, and reads it first if that may take as long as its writer likes. */
static int open_input(const char *file, const Restore *restore) {
        _cleanup_close_ int fd = open_archive(file);

        return fd >= 0 && spool_needed(fd) ? spool_read(fd, restore->limits.bytes, restore->what)
                                           : TAKE_FD(fd);
}

int volume_verb_restore(const SubverbCall *call) {
        _cleanup_hold_ Hold hold = HOLD_NONE;
        _cleanup_volume_ Volume volume = VOLUME_NONE;
        _cleanup_close_ int fd = -EBADF;
        const char *file = call->operands[1], *size = subverb_value(call, VOLUME_MAX_SIZE);
        Restore restore = { .what = streq(file, "-") ? "standard input" : file,
                            .limits = { EXTRACT_ENTRIES_MAX, EXTRACT_BYTES_MAX } };

        if (volume_parse(call->operands[0], &volume) < 0)
                return EXIT_USAGE;
        if (size && (parse_size(size, &restore.limits.bytes) < 0 || restore.limits.bytes > INT64_MAX)) {
                log_error("--max-size=%s: expected bytes", size);
                return EXIT_USAGE;
        }
        fd = restore.fd = open_input(file, &restore);
        hold_begin(&hold);
        if (fd < 0 || volume_lock(&volume, /* make= */ true, /* change= */ true) < 0 ||
            volume_refuse_used(&volume, "") < 0 || restore_volume(&volume, &restore) < 0)
                return EXIT_FAILED;
        return volume_verb_done(call, &volume);
}
