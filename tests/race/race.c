/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What reaches into a container's files, against a container that exchanges names under it as fast as it can: one thread
 * swaps directories, files and links that lead out of the root, the other does what the product does, many times. Outside
 * there are files of the same names, which nobody may open, make, remove, change or mount upon; inotify and the mount ids
 * tell.
 *
 *   race CLASS ROUNDS      one of the table at the end; prints what came of the rounds
 *   race unsafe ROUNDS     a path that is checked first and opened then: must be caught, in ROUNDS at most
 *
 * As root, in a mount namespace of its own. Exits with 1 when something outside was touched. */

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/log.h"
#include "helper/container/copy.h"
#include "helper/container/mount.h"
#include "helper/exec/inside.h"
#include "helper/exec/place.h"
#include "helper/launch/target.h"
#include "helper/storage/arrive.h"
#include "helper/storage/extract.h"
#include "helper/storage/pack.h"

#define TOP     "/mnt"
#define OUTSIDE TOP "/outside"
#define DOTS    "../../../../../../../.."
#define SECRET  "of the host"

typedef struct Race {
        Inside inside;
        int above_fd, deep_fd; /* the directories a/b and a/b/c, wherever they are */
        int outer_fd;          /* OUTSIDE, never opened again */
        int mount_fd;          /* a directory to be mounted */
        int archive_fd;
        int events_fd;
        uint64_t mount_id; /* that OUTSIDE is on */
        atomic_bool stop;
        atomic_ulong swaps;
} Race;

typedef int (*Class)(Race *race);

static void check(bool ok, const char *what) {
        if (ok)
                return;
        fprintf(stderr, "race: %s: %s\n", what, strerror(errno));
        exit(99);
}

/* -- the ground -- */

static void make_file(int dir_fd, const char *name, const char *text) {
        check(write_file_at(dir_fd, name, text, strlen(text), 0644) >= 0, name);
}

static int make_tree(const char *path, const char *text) {
        int fd = make_path(AT_FDCWD, path, 0755), deep_fd = make_path(fd, "a/b/c/d", 0755);

        check(fd >= 0 && deep_fd >= 0, path);
        make_file(deep_fd, "file", text);
        close_fd(deep_fd);
        deep_fd = openat(fd, "a/b/c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        check(deep_fd >= 0, path);
        make_file(deep_fd, "file", text);
        close_fd(deep_fd);
        return fd;
}

static uint64_t mount_of(int fd, const char *path) {
        struct statx st;

        check(statx(fd, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st) == 0, "statx");
        return st.stx_mnt_id;
}

static const char *const outer[] = { "", "a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/file", "a/b/c/d/file" };

static void watch(Race *race) {
        race->events_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        check(race->events_fd >= 0, "inotify");
        for (size_t i = 0; i < ARRAY_LEN(outer); i++) {
                char path[128];

                snprintf(path, sizeof(path), OUTSIDE "/%s", outer[i]);
                check(inotify_add_watch(race->events_fd, path, IN_ALL_EVENTS) >= 0, path);
        }
}

/* Is everything outside as it was? */
static bool untouched(const Race *race) {
        char events[4096];

        if (read(race->events_fd, events, sizeof(events)) > 0)
                return false;
        for (size_t i = 0; i < ARRAY_LEN(outer); i++)
                if (mount_of(race->outer_fd, outer[i]) != race->mount_id)
                        return false;
        return true;
}

static int make_archive(void) {
        static const struct {
                const char *name, *link;
                mode_t type;
        } entries[] = {
                { "in", NULL, S_IFDIR },       { "in/d", NULL, S_IFDIR },     { "in/d/file", NULL, S_IFREG },
                { "in/l", "d", S_IFLNK },      { "in/p", NULL, S_IFIFO },     { "in/file", NULL, S_IFREG },
                { "in/d/x", NULL, S_IFDIR },   { "in/d/0", NULL, S_IFREG },   { "in/d/1", NULL, S_IFREG },
                { "in/d/2", NULL, S_IFREG },   { "in/d/3", NULL, S_IFREG },   { "in/d/4", NULL, S_IFREG },
                { "in/d/x/0", NULL, S_IFREG }, { "in/d/x/1", NULL, S_IFREG },
        };
        int fd = memfd_create("archive", MFD_CLOEXEC);
        struct archive *a = archive_write_new();
        struct archive_entry *entry = archive_entry_new();

        check(fd >= 0 && a && entry && archive_write_set_format_pax(a) == ARCHIVE_OK &&
                              archive_write_open_fd(a, fd) == ARCHIVE_OK,
              "archive");
        for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
                archive_entry_clear(entry);
                archive_entry_set_pathname(entry, entries[i].name);
                archive_entry_set_mode(entry, entries[i].type | 0755);
                archive_entry_set_size(entry, entries[i].type == S_IFREG ? 6 : 0);
                if (entries[i].link)
                        archive_entry_set_symlink(entry, entries[i].link);
                check(archive_write_header(a, entry) == ARCHIVE_OK &&
                                      (entries[i].type != S_IFREG ||
                                       archive_write_data(a, "inside", 6) == 6),
                      "archive");
        }
        archive_entry_free(entry);
        check(archive_write_close(a) == ARCHIVE_OK, "archive");
        archive_write_free(a);
        return fd;
}

static void prepare(Race *race) {
        static const char *const none[] = { "mode=0755", NULL };
        int fd;

        check(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                              mount("tmpfs", TOP, "tmpfs", 0, NULL) == 0,
              "a mount namespace");
        close_fd(make_tree(OUTSIDE, SECRET));
        race->inside = INSIDE_NONE;
        race->inside.root_fd = make_tree(TOP "/root", "inside");
        race->inside.process_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
        race->above_fd = openat(race->inside.root_fd, "a/b", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        race->deep_fd = openat(race->inside.root_fd, "a/b/c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        race->outer_fd = open(OUTSIDE, O_PATH | O_DIRECTORY | O_CLOEXEC);
        race->mount_id = mount_of(race->outer_fd, "");
        fd = mount_new("tmpfs", none, 0);
        check(fd >= 0 && mkdirat(AT_FDCWD, TOP "/mounted", 0755) == 0, "tmpfs");
        close_fd(fd);
        race->mount_fd = open(TOP "/mounted", O_PATH | O_DIRECTORY | O_CLOEXEC);
        race->archive_fd = make_archive();
        check(race->inside.process_fd >= 0 && race->deep_fd >= 0 && race->mount_fd >= 0, "open");
        watch(race);
}

/* -- the container -- */

/* Has name lead out of the root, or back in. Both are there but for what the product has made or taken away in between. */
static void swap(Race *race, int dir_fd, const char *name, const char *link, const char *target) {
        if (renameat2(dir_fd, name, dir_fd, link, RENAME_EXCHANGE) == 0)
                atomic_fetch_add(&race->swaps, 1);
        else if (symlinkat(target, dir_fd, link) < 0)
                (void) renameat2(dir_fd, link, dir_fd, name, RENAME_NOREPLACE);
}

/* What is being made under a name that nobody knows before, and what is in it. */
static void hunt(Race *race) {
        DIR *dir = fdopendir(openat(race->deep_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

        check(dir, "hunt");
        for (struct dirent *entry; (entry = readdir(dir));) {
                _cleanup_close_ int fd = -EBADF, in_fd = -EBADF;

                if (!startswith(entry->d_name, ".berth-"))
                        continue;
                fd = open_beneath(race->deep_fd, entry->d_name, O_RDONLY | O_DIRECTORY);
                in_fd = fd < 0 ? fd : open_beneath(fd, "in", O_RDONLY | O_DIRECTORY);
                for (int i = 0; in_fd >= 0 && i < 15; i++) {
                        swap(race, in_fd, "d", "d1", OUTSIDE "/a/b/c/d");
                        swap(race, in_fd, "file", "file1", OUTSIDE "/a/b/c/file");
                }
                if (fd >= 0)
                        swap(race, fd, "in", "in1", OUTSIDE "/a/b/c");
                swap(race, race->deep_fd, entry->d_name, "trap", OUTSIDE "/a/b/c");
                (void) remove_tree(race->deep_fd, "trap");
        }
        closedir(dir);
}

/* For "..": a directory that is somewhere else while one is in it. */
static void wander(Race *race) {
        int root_fd = race->inside.root_fd;

        if (renameat2(race->above_fd, "c", root_fd, "c", RENAME_NOREPLACE) == 0)
                atomic_fetch_add(&race->swaps, 1);
        (void) renameat2(root_fd, "c", race->above_fd, "c", RENAME_NOREPLACE);
}

static void *run_racer(void *userdata) {
        Race *race = userdata;
        int root_fd = race->inside.root_fd;

        while (!atomic_load(&race->stop)) {
                swap(race, root_fd, "a", "a1", OUTSIDE "/a");
                swap(race, race->deep_fd, "d", "d1", DOTS OUTSIDE "/a/b/c/d");
                wander(race);
                for (int i = 0; i < 7; i++) {
                        swap(race, race->deep_fd, "d", "d1", DOTS OUTSIDE "/a/b/c/d");
                        swap(race, race->deep_fd, "file", "file1", OUTSIDE "/a/b/c/file");
                }
                swap(race, root_fd, "a", "a2", DOTS OUTSIDE "/a");
                swap(race, race->deep_fd, "in", "in1", OUTSIDE "/a/b/c");
                wander(race);
                swap(race, race->deep_fd, "file", "file1", OUTSIDE "/a/b/c/file");
                hunt(race);
        }
        return NULL;
}

/* -- what the product does: 0, or it was refused -- */

static int check_text(int fd) {
        _cleanup_close_ int owned = fd;
        _cleanup_free_ char *text = NULL;
        int r = owned < 0 ? owned : read_fd(owned, 4096, &text, NULL);

        return r < 0 ? r : streq(text, SECRET) ? 1 : 0;
}

static int race_open(Race *race) {
        int root_fd = race->inside.root_fd, r = check_text(open_in_root(root_fd, "/a/b/c/file", O_RDONLY));

        return MAX(r, check_text(open_in_root(root_fd, "a/b/../b/c/d/../d/file", O_RDONLY)));
}

static int race_regular(Race *race) {
        return check_text(open_regular_in_root(race->inside.root_fd, "/a/b/c/d/file"));
}

static int race_beneath(Race *race) {
        return check_text(open_beneath(race->inside.root_fd, "a/b/c/d/file", O_RDONLY));
}

static int race_make_path(Race *race) {
        int fd = make_path_in_root(race->inside.root_fd, "/a/b/c/new/x/y");

        close_fd(fd);
        (void) remove_tree(race->deep_fd, "new");
        return MIN(fd, 0);
}

static int race_target(Race *race) {
        int fd = target_open(race->inside.root_fd, "/a/b/c/in", true), r = MIN(fd, 0);

        close_fd(fd);
        fd = target_open(race->inside.root_fd, "/a/b/c/new", false);
        r = MIN(r, fd);
        close_fd(fd);
        (void) remove_tree(race->deep_fd, "in");
        (void) remove_tree(race->deep_fd, "new");
        return MIN(r, 0);
}

/* As launch and berth mount do. */
static int race_mount(Race *race) {
        _cleanup_close_ int tree_fd = mount_clone(race->mount_fd, ""), target_fd = -EBADF;
        int r;

        check(tree_fd >= 0, "clone");
        target_fd = r = target_open(race->inside.root_fd, "/a/b/c/d", true);
        if (r >= 0)
                r = mount_attach(tree_fd, target_fd);
        if (r < 0)
                return r;
        r = untouched(race) ? 0 : 1;
        check(mount_detach(tree_fd) >= 0, "detach");
        return r;
}

static int replace(Race *race, const char *path, unsigned flags) {
        _cleanup_replacement_ Replacement replacement = REPLACEMENT_NONE;
        _cleanup_place_ Place place = PLACE_NONE;
        struct stat st;
        int r, fd;

        r = place_find(&race->inside, path, flags, &place);
        if (r < 0)
                return r;
        fd = place_open_file(&race->inside, &place, &st);
        if (fd < 0 && fd != -ENOENT)
                return fd;
        r = fd < 0 ? 0 : check_text(fd);
        if (r != 0)
                return r;
        r = replacement_begin(&race->inside, &place, fd < 0 ? NULL : &st, &replacement);
        if (r >= 0)
                r = write_fd(replacement.fd, "inside", 6);
        return r < 0 ? r : replacement_commit(&replacement, 0644, false, NULL);
}

static int race_file(Race *race) {
        int r = replace(race, "/a/b/c/file", PLACE_FOLLOW | PLACE_MAKE);

        if (r != 1)
                r = MIN(r, replace(race, "/a/b/c/new/file", PLACE_FOLLOW | PLACE_MAKE));
        (void) remove_tree(race->deep_fd, "new");
        return r;
}

static int race_pack(Race *race) {
        _cleanup_close_ int fd = memfd_create("out", MFD_CLOEXEC);
        _cleanup_place_ Place place = PLACE_NONE;
        _cleanup_free_ char *text = NULL;
        Progress progress = {};
        const Pack pack = { .inside = &race->inside,
                            .what = "a",
                            .out_fd = fd,
                            .limits = { 1000, 1 << 20 },
                            .progress = &progress };
        size_t size = 0;
        int r;

        check(fd >= 0, "memfd");
        r = place_find(&race->inside, "/a", PLACE_FOLLOW, &place);
        if (r < 0)
                return r;
        r = pack_tree(&pack, place.dir_fd, place.name, "a");
        check(lseek(fd, 0, SEEK_SET) == 0 && read_fd(fd, 1 << 22, &text, &size) >= 0, "memfd");
        /* a link's text is the container's, the files' is not */
        return memmem(text, size, SECRET, strlen(SECRET)) ? 1 : r;
}

static int race_arrive(Race *race) {
        _cleanup_place_ Place place = PLACE_NONE;
        Progress progress = {};
        const Arrival arrival = { .what = "archive",
                                  .to = "in",
                                  .fd = race->archive_fd,
                                  .top = "in",
                                  .word_fd = -EBADF,
                                  .limits = { 1000, 1 << 20 },
                                  .progress = &progress };
        int r;

        check(lseek(race->archive_fd, 0, SEEK_SET) == 0, "archive");
        r = place_find(&race->inside, "/a/b/c/in", PLACE_FOLLOW | PLACE_MAKE, &place);
        if (r >= 0)
                r = arrive(&arrival, &place);
        (void) remove_tree(race->deep_fd, "in");
        return r;
}

static int race_remove(Race *race) {
        int fd = make_path(race->deep_fd, "in/d/d", 0755);

        if (fd >= 0)
                (void) write_file_at(fd, "file", "inside", 6, 0644);
        close_fd(fd);
        fd = remove_tree(race->deep_fd, "in");
        return MIN(fd, 0);
}

static int race_copy(Race *race) {
        _cleanup_close_ int from_fd = open_in_root(race->inside.root_fd, "/a", O_RDONLY | O_DIRECTORY),
                            to_fd = make_path(AT_FDCWD, TOP "/copy", 0755);
        int r;

        check(to_fd >= 0, "copy");
        r = from_fd < 0 ? from_fd : copy_directory(from_fd, to_fd);
        if (check_text(open_beneath(to_fd, "b/c/file", O_RDONLY)) == 1 ||
            check_text(open_beneath(to_fd, "b/c/d/file", O_RDONLY)) == 1)
                r = 1;
        check(remove_tree(AT_FDCWD, TOP "/copy") >= 0, "copy");
        return r;
}

/* What nobody may do: the last part is looked at, and then opened by its name. */
static int race_unsafe(Race *race) {
        struct stat st;

        if (fstatat(race->inside.root_fd, "a", &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(st.st_mode))
                return -ELOOP;
        return check_text(openat(race->inside.root_fd, "a/b/c/d/file", O_RDONLY | O_CLOEXEC));
}

static const struct {
        const char *name;
        Class run;
} classes[] = {
        { "open", race_open },           { "regular", race_regular }, { "beneath", race_beneath },
        { "make-path", race_make_path }, { "target", race_target },   { "mount", race_mount },
        { "file", race_file },           { "pack", race_pack },       { "arrive", race_arrive },
        { "remove", race_remove },       { "copy", race_copy },       { "unsafe", race_unsafe },
};

/* Until as many rounds are done as swaps, so that however the two take turns there is a race. */
static bool run(Race *race, Class class, uint64_t rounds, const char *name) {
        bool unsafe = class == race_unsafe, caught = false;
        uint64_t n = 0, done = 0;

        while (!caught && (n < rounds || (!unsafe && (atomic_load(&race->swaps) < rounds || done == 0)))) {
                int r = class(race);

                done += r == 0;
                caught = r == 1 || (++n % 64 == 0 && !untouched(race));
        }
        atomic_store(&race->stop, true);
        caught = caught || !untouched(race);
        printf("%s: %" PRIu64 " rounds, %" PRIu64 " done, %lu swaps%s\n", name, n, done,
               atomic_load(&race->swaps), caught ? ", caught" : "");
        return !caught;
}

int main(int argc, char *argv[]) {
        Race race = {};
        Class class = NULL;
        pthread_t racer;
        bool safe;

        for (size_t i = 0; argc == 3 && i < ARRAY_LEN(classes); i++)
                if (streq(argv[1], classes[i].name))
                        class = classes[i].run;
        if (!class) {
                fprintf(stderr, "race CLASS ROUNDS\n");
                return 2;
        }
        prepare(&race);
        log_mute();
        check(pthread_create(&racer, NULL, run_racer, &race) == 0, "thread");
        safe = run(&race, class, strtoull(argv[2], NULL, 10), argv[1]);
        pthread_join(racer, NULL);
        return safe ? 0 : 1;
}
