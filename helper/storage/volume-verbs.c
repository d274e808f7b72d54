/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/storage/volume-verbs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "common/strv.h"
#include "helper/container/aside.h"
#include "helper/container/data.h"
#include "helper/container/frozen.h"
#include "helper/storage/arrive.h"
#include "helper/storage/pack.h"
#include "helper/storage/volume-use.h"
#include "helper/text/print.h"
#include "helper/verbs/verbs.h"

/* berth volume: what lies at volumes/NAME/VOLUME. A volume is there whole or not at all; who exchanges or removes one
 * holds its directory against starts, see volume.h. */

#define VOLUMES BERTH_DATA_DIR "/volumes"

typedef struct Volume {
        const char *word; /* NAME:VOLUME, as it was said */
        char *owner;
        const char *name;
        int dir_fd; /* of the owner's volumes, locked */
} Volume;

#define VOLUME_NONE              \
        (Volume) {               \
                .dir_fd = -EBADF \
        }

static void volume_done(Volume *volume) {
        free(volume->owner);
        close_fd(volume->dir_fd);
}
#define _cleanup_volume_ _cleanup_(volume_done)

/* -- finding one, and who uses it -- */

static int parse_volume(const char *word, Volume *ret) {
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

static bool is_there(const Volume *volume) {
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

/* change: nobody may open it meanwhile. */
static int open_volume(Volume *volume, bool make, bool change) {
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

static int refuse_used(const Volume *volume, const char *remedy) {
        _cleanup_strv_ char **users = NULL;
        int r = volume_find_users(volume->owner, volume->name, &users);

        if (r < 0 || !users)
                return r;
        return log_error_errno(EBUSY, "container '%s' uses the volume '%s'; stop it first%s", users[0],
                               volume->word, remedy);
}

static int no_such(const Volume *volume) {
        log_error("there is no volume '%s'", volume->word);
        return EXIT_NO_SUCH;
}

/* -- list -- */

typedef struct Listing {
        json_object *array; /* NULL: cells */
        char **cells;
} Listing;

static char *join(char *const *words) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (size_t i = 0; words && words[i]; i++)
                fprintf(f, "%s%s", i > 0 ? "," : "", words[i]);
        if (!words)
                fputc('-', f);
        if (fclose(f) == 0)
                return text;
        free(text);
        return NULL;
}

static int list_volume(Listing *listing, int dir_fd, const char *owner, const char *name) {
        _cleanup_strv_ char **users = NULL;
        _cleanup_free_ char *word = NULL, *all = NULL;
        Volume volume = { .name = name };
        struct stat st;
        int r;

        if (!volume_name_valid(name) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISDIR(st.st_mode))
                return 0;
        if (asprintf(&word, "%s:%s", owner, name) < 0 || !(volume.owner = strdup(owner)))
                return log_oom();
        r = volume_find_users(volume.owner, volume.name, &users);
        free(volume.owner);
        if (r < 0)
                return r;
        if (listing->array) {
                json_object *object = json_object_new_object(), *array = json_object_new_array();

                json_add_string(object, "volume", word);
                json_object_object_add(object, "uid", json_object_new_int64(st.st_uid));
                json_object_object_add(object, "gid", json_object_new_int64(st.st_gid));
                for (char **user = users; user && *user; user++)
                        json_object_array_add(array, json_object_new_string(*user));
                json_object_object_add(object, "containers", array);
                return json_object_array_add(listing->array, object) < 0 ? log_oom() : 0;
        }
        all = join(users);
        if (!all || strv_append(&listing->cells, word) < 0 ||
            strv_appendf(&listing->cells, "%u:%u", st.st_uid, st.st_gid) < 0 ||
            strv_append(&listing->cells, all) < 0)
                return log_oom();
        return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* Calls each() for what is in dir_fd, in the order of the names. */
static int for_each(int dir_fd, void *userdata, int (*each)(void *userdata, int dir_fd, const char *name)) {
        struct dirent **entries;
        int n = scandirat(dir_fd, ".", &entries, NULL, by_name), r = 0;

        if (n < 0)
                return log_error_errno(errno, "cannot read '%s': %m", VOLUMES);
        for (int i = 0; i < n; i++) {
                if (r >= 0 && entries[i]->d_name[0] != '.')
                        r = each(userdata, dir_fd, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return r;
}

typedef struct OwnerListing {
        Listing *listing;
        const char *owner, *only;
} OwnerListing;

static int list_each_volume(void *userdata, int dir_fd, const char *name) {
        OwnerListing *owner = userdata;

        return list_volume(owner->listing, dir_fd, owner->owner, name);
}

static int list_each_owner(void *userdata, int dir_fd, const char *name) {
        OwnerListing *owner = userdata;
        _cleanup_close_ int fd = -EBADF;

        if (!name_valid(name, false) || (owner->only && !streq(owner->only, name)))
                return 0;
        fd = open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return 0; /* gone */
        owner->owner = name;
        return for_each(fd, owner, list_each_volume);
}

static int list(const SubverbCall *call) {
        _cleanup_json_ json_object *array = subverb_has(call, VOLUME_JSON) ? json_object_new_array() : NULL;
        Listing listing = { .array = array };
        OwnerListing owner = { .listing = &listing, .only = call->operands[0] };
        _cleanup_close_ int store_fd = data_open("volumes");
        int r;

        if (store_fd < 0)
                return log_error_errno(store_fd, "cannot open '%s': %m", VOLUMES);
        if (!array && !subverb_has(call, VOLUME_NO_LEGEND) &&
            (strv_append(&listing.cells, "VOLUME") < 0 || strv_append(&listing.cells, "OWNER") < 0 ||
             strv_append(&listing.cells, "CONTAINERS") < 0))
                return log_oom();
        r = for_each(store_fd, &owner, list_each_owner);
        if (r >= 0 && array)
                print_json(array);
        else if (r >= 0)
                print_table(listing.cells, 3);
        strv_free(listing.cells);
        return r;
}

int volume_verb_list(const SubverbCall *call) {
        return list(call) < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* -- create and remove -- */

static int parse_owner(const char *value, uid_t *ret_uid, gid_t *ret_gid) {
        _cleanup_free_ char *user = strndup(value, strcspn(value, ":"));
        const char *colon = strchr(value, ':');

        if (!user)
                return log_oom();
        if (parse_id(user, ret_uid) < 0 || parse_id(colon ? colon + 1 : user, ret_gid) < 0)
                return log_error_errno(EINVAL, "--owner=%s: expected UID or UID:GID, numbers", value);
        return 0;
}

/* A directory beside volumes, which none can be called. */
static int make_beside(const Volume *volume, const char *what, char name[static 40]) {
        uint64_t number;
        int fd;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return log_error_errno(errno, "cannot get random bytes: %m");
        snprintf(name, 40, ".%s-%016" PRIx64, what, number);
        if (mkdirat(volume->dir_fd, name, 0700) < 0)
                return log_error_errno(errno, "'%s': cannot make a directory: %m", volume->word);
        fd = openat(volume->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? log_error_errno(errno, "'%s': %m", volume->word) : fd;
}

static int create(const Volume *volume, uid_t uid, gid_t gid, mode_t mode) {
        _cleanup_close_ int fd = -EBADF;
        char name[40];
        int r = 0;

        fd = make_beside(volume, "new", name);
        if (fd < 0)
                return fd;
        if (fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0 ||
            renameat2(volume->dir_fd, name, volume->dir_fd, volume->name, RENAME_NOREPLACE) < 0) {
                r = errno == EEXIST ? log_error_errno(errno, "there is a volume '%s' already", volume->word)
                                    : log_error_errno(errno, "'%s': cannot be made: %m", volume->word);
                (void) remove_tree(volume->dir_fd, name);
        }
        return r;
}

int volume_verb_create(const SubverbCall *call) {
        _cleanup_volume_ Volume volume = VOLUME_NONE;
        const char *owner = subverb_value(call, VOLUME_OWNER), *mode_text = subverb_value(call, VOLUME_MODE);
        mode_t mode = 0755;
        uid_t uid = 0;
        gid_t gid = 0;

        if (parse_volume(call->operands[0], &volume) < 0 || (owner && parse_owner(owner, &uid, &gid) < 0))
                return EXIT_USAGE;
        if (mode_text && parse_mode(mode_text, &mode) < 0) {
                log_error("--mode=%s: expected three or four octal digits up to 0777", mode_text);
                return EXIT_USAGE;
        }
        if (open_volume(&volume, /* make= */ true, /* change= */ false) < 0)
                return EXIT_FAILED;
        return create(&volume, uid, gid, mode) < 0 ? EXIT_FAILED : EXIT_DONE;
}

int volume_verb_remove(const SubverbCall *call) {
        _cleanup_volume_ Volume volume = VOLUME_NONE;
        bool force = subverb_has(call, VOLUME_FORCE);
        int r;

        if (parse_volume(call->operands[0], &volume) < 0)
                return EXIT_USAGE;
        if (open_volume(&volume, /* make= */ false, !force) < 0)
                return EXIT_FAILED;
        if (!is_there(&volume))
                return no_such(&volume);
        if (!force && refuse_used(&volume, ", or --force") < 0)
                return EXIT_FAILED;
        r = aside_remove(volume.dir_fd, volume.name);
        if (r < 0) {
                log_error_errno(r, "'%s': cannot be removed: %m", volume.word);
                return EXIT_FAILED;
        }
        return EXIT_DONE;
}

/* -- a process that has nothing but the files -- */

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

/* Descriptors for each level of a tree. */
static void raise_files(void) {
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &files);
        }
}

static int run_confined(int directory_fd, int (*work)(const Inside *inside, void *userdata),
                        void *userdata) {
        pid_t pid = fork();

        if (pid < 0)
                return log_error_errno(errno, "cannot start a process: %m");
        if (pid == 0) {
                _cleanup_inside_ Inside inside = INSIDE_NONE;

                if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                        _exit(EXIT_FAILED);
                raise_files();
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

        if (parse_volume(call->operands[0], &volume) < 0)
                return EXIT_USAGE;
        if (file && streq(file, "-") && isatty(STDOUT_FILENO)) {
                log_error("standard output is a terminal, and an archive is not for reading");
                return EXIT_USAGE;
        }
        if (open_volume(&volume, /* make= */ false, /* change= */ false) < 0)
                return EXIT_FAILED;
        if (!is_there(&volume))
                return no_such(&volume);
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
        bool there = is_there(volume);
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
        char name[40];
        int r;

        fd = make_beside(volume, "restore", name);
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

int volume_verb_restore(const SubverbCall *call) {
        _cleanup_volume_ Volume volume = VOLUME_NONE;
        _cleanup_close_ int fd = -EBADF;
        const char *file = call->operands[1], *size = subverb_value(call, VOLUME_MAX_SIZE);
        Restore restore = { .what = streq(file, "-") ? "standard input" : file,
                            .limits = { EXTRACT_ENTRIES_MAX, EXTRACT_BYTES_MAX } };

        if (parse_volume(call->operands[0], &volume) < 0)
                return EXIT_USAGE;
        if (size && (parse_size(size, &restore.limits.bytes) < 0 || restore.limits.bytes > INT64_MAX)) {
                log_error("--max-size=%s: expected bytes", size);
                return EXIT_USAGE;
        }
        fd = restore.fd = open_archive(file);
        if (fd < 0 || open_volume(&volume, /* make= */ true, /* change= */ true) < 0 ||
            refuse_used(&volume, "") < 0 || restore_volume(&volume, &restore) < 0)
                return EXIT_FAILED;
        if (subverb_has(call, VOLUME_JSON)) {
                _cleanup_json_ json_object *object = json_object_new_object();

                json_add_string(object, "volume", volume.word);
                print_json(object);
        }
        return EXIT_DONE;
}
