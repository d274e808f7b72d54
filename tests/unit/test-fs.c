/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "common/fs.h"

/* A fresh directory, removed with everything in it; root_fd is a directory "root" in it, "secret" a file beside. */
typedef struct Place {
        char path[64];
        int fd, root_fd;
} Place;

static int set_up(void **state) {
        Place *p = calloc(1, sizeof(Place));

        assert_non_null(p);
        strcpy(p->path, "/tmp/berth-test-fs-XXXXXX");
        assert_non_null(mkdtemp(p->path));
        p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(mkdirat(p->fd, "root", 0755), 0);
        p->root_fd = openat(p->fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(p->root_fd >= 0);
        assert_int_equal(write_file_at(p->fd, "secret", "secret", 6, 0600), 0);
        *state = p;
        return 0;
}

static int tear_down(void **state) {
        Place *p = *state;

        close_fd(p->root_fd);
        assert_int_equal(remove_tree(AT_FDCWD, p->path), 0);
        close_fd(p->fd);
        free(p);
        return 0;
}

static void links_never_leave_the_root(void **state) {
        const Place *p = *state;
        char path[128];

        snprintf(path, sizeof(path), "%s/secret", p->path);
        assert_int_equal(symlinkat(path, p->root_fd, "absolute"), 0);
        assert_int_equal(symlinkat("../secret", p->root_fd, "relative"), 0);
        assert_int_equal(symlinkat("../../../../../../../../etc/passwd", p->root_fd, "far"), 0);
        assert_int_equal(symlinkat("/proc/self/root/etc/passwd", p->root_fd, "magic"), 0);
        assert_int_equal(symlinkat("loop", p->root_fd, "loop"), 0);
        assert_int_equal(open_in_root(p->root_fd, "absolute", O_RDONLY), -ENOENT);
        assert_int_equal(open_in_root(p->root_fd, "relative", O_RDONLY), -ENOENT);
        assert_int_equal(open_in_root(p->root_fd, "far", O_RDONLY), -ENOENT);
        assert_int_equal(open_in_root(p->root_fd, "magic", O_RDONLY), -ENOENT);
        assert_int_equal(open_in_root(p->root_fd, "loop", O_RDONLY), -ELOOP);
        assert_int_equal(open_in_root(p->root_fd, "../secret", O_RDONLY), -ENOENT);
}

static void beneath_follows_no_link_at_all(void **state) {
        const Place *p = *state;
        _cleanup_close_ int fd = -EBADF;

        assert_int_equal(write_file_at(p->root_fd, "plain", "x", 1, 0600), 0);
        assert_int_equal(symlinkat("plain", p->root_fd, "link"), 0);
        assert_int_equal(open_beneath(p->root_fd, "link", O_RDONLY), -ELOOP);
        assert_int_equal(open_beneath(p->root_fd, "../secret", O_RDONLY), -EXDEV);
        fd = open_beneath(p->root_fd, "plain", O_RDONLY);
        assert_true(fd >= 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void only_regular_files_are_read_and_nothing_blocks(void **state) {
        const Place *p = *state;
        _cleanup_free_ char *data = NULL;
        _cleanup_close_ int fd = -EBADF;
        size_t size;

        assert_int_equal(mkfifoat(p->root_fd, "fifo", 0600), 0);
        assert_int_equal(mkdirat(p->root_fd, "directory", 0700), 0);
        assert_int_equal(open_regular_in_root(p->root_fd, "fifo"), -EINVAL);
        assert_int_equal(open_regular_in_root(p->root_fd, "directory"), -EINVAL);
        assert_int_equal(open_regular_in_root(p->root_fd, "absent"), -ENOENT);
        assert_int_equal(write_file_at(p->root_fd, "file", "hello", 5, 0600), 0);
        fd = open_regular_in_root(p->root_fd, "file");
        assert_true(fd >= 0);
        assert_int_equal(read_fd(fd, 5, &data, &size), 0);
        assert_int_equal(size, 5);
        assert_string_equal(data, "hello");
}

/* Of a device, opening may be all it takes. */
static void what_is_no_file_is_not_even_opened(void **state) {
        const Place *p = *state;
        _cleanup_close_ int watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        struct inotify_event event;
        char path[128];

        snprintf(path, sizeof(path), "%s/root/fifo", p->path);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_true(inotify_add_watch(watch_fd, path, IN_OPEN) >= 0);
        assert_int_equal(open_regular_in_root(p->root_fd, "fifo"), -EINVAL);
        assert_int_equal(read(watch_fd, &event, sizeof(event)), -1);
        assert_int_equal(errno, EAGAIN);
}

static void a_limit_on_reading_holds(void **state) {
        const Place *p = *state;
        char *data = NULL;
        size_t size = 7;

        assert_int_equal(read_file_at(p->fd, "secret", 5, &data, &size), -EFBIG);
        assert_null(data);
        assert_int_equal(size, 7);
        assert_int_equal(read_file_at(p->fd, "absent", 5, &data, NULL), -ENOENT);
        assert_int_equal(read_file_at(p->fd, "secret", 6, &data, NULL), 0);
        assert_string_equal(data, "secret");
        free(data);
}

static void writing_replaces_a_file_whole(void **state) {
        const Place *p = *state;
        _cleanup_free_ char *data = NULL;
        struct stat st;

        /* a link in the way is replaced, what it leads to is not touched */
        assert_int_equal(symlinkat("../secret", p->root_fd, "out"), 0);
        assert_int_equal(write_file_at(p->root_fd, "out", "new", 3, 0640), 0);
        assert_int_equal(fstatat(p->root_fd, "out", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(read_file_at(p->fd, "secret", 100, &data, NULL), 0);
        assert_string_equal(data, "secret");
        assert_int_equal(write_file_at(p->root_fd, "absent/out", "new", 3, 0640), -ENOENT);
        /* what cannot be put in its place is not left beside it: the directory can be removed as an empty one */
        assert_int_equal(unlinkat(p->root_fd, "out", 0), 0);
        assert_int_equal(mkdirat(p->root_fd, "in", 0700), 0);
        assert_int_equal(mkdirat(p->root_fd, "in/directory", 0700), 0);
        assert_int_equal(write_file_at(p->root_fd, "in/directory", "new", 3, 0640), -EISDIR);
        assert_int_equal(unlinkat(p->root_fd, "in/directory", AT_REMOVEDIR), 0);
        assert_int_equal(unlinkat(p->root_fd, "in", AT_REMOVEDIR), 0);
}

static void paths_are_made_without_following_links(void **state) {
        const Place *p = *state;
        _cleanup_close_ int fd = -EBADF, inside = -EBADF;
        struct stat st;

        assert_int_equal(symlinkat("/", p->root_fd, "up"), 0);
        assert_int_equal(make_path(p->root_fd, "up/evil", 0755), -ENOTDIR);
        assert_int_equal(make_path(p->root_fd, "a/../b", 0755), -EINVAL);
        fd = make_path(p->root_fd, "a/b//c/", 0700);
        assert_true(fd >= 0);
        assert_int_equal(fstatat(p->root_fd, "a/b/c", &st, 0), 0);
        assert_int_equal(write_file_at(p->root_fd, "file", "", 0, 0600), 0);
        assert_int_equal(make_path(p->root_fd, "file/x", 0755), -ENOTDIR);
        /* in a root, the link stays inside */
        inside = make_path_in_root(p->root_fd, "/up/made");
        assert_true(inside >= 0);
        assert_int_equal(fstatat(p->root_fd, "made", &st, 0), 0);
}

static void a_tree_is_removed_and_nothing_beside_it(void **state) {
        const Place *p = *state;
        _cleanup_close_ int deep = -EBADF;
        char path[2000] = "d";
        struct stat st;

        for (int i = 0; i < 300; i++)
                strcat(path, "/d");
        deep = make_path(p->root_fd, path, 0700);
        assert_true(deep >= 0);
        assert_int_equal(symlinkat("../../secret", p->root_fd, "d/link"), 0);
        assert_int_equal(remove_tree(p->root_fd, "d"), 0);
        assert_int_equal(fstatat(p->root_fd, "d", &st, 0), -1);
        assert_int_equal(fstatat(p->fd, "secret", &st, 0), 0);
        assert_int_equal(remove_tree(p->root_fd, "d"), 0); /* nothing there is done */
        assert_int_equal(symlinkat("../secret", p->root_fd, "l"), 0);
        assert_int_equal(remove_tree(p->root_fd, "l"), 0);
        assert_int_equal(fstatat(p->fd, "secret", &st, 0), 0);
}

/* What is moved up to be removed must not fail because the tree has such a name, as a container may make it. */
static void a_tree_may_hold_the_names_that_its_removal_takes(void **state) {
        const Place *p = *state;
        _cleanup_close_ int fd = -EBADF;
        char path[3000] = "d/.berth-removal-0";

        for (int i = 0; i < 120; i++)
                strcat(path, i % 2 ? "/.berth-removal-1" : "/.berth-removal-2");
        fd = make_path(p->root_fd, path, 0700);
        assert_true(fd >= 0);
        assert_int_equal(remove_tree(p->root_fd, "d"), 0);
        assert_int_equal(faccessat(p->root_fd, "d", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

#define PLACED(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(PLACED(links_never_leave_the_root), PLACED(beneath_follows_no_link_at_all),
    PLACED(only_regular_files_are_read_and_nothing_blocks), PLACED(what_is_no_file_is_not_even_opened),
    PLACED(a_limit_on_reading_holds), PLACED(writing_replaces_a_file_whole),
    PLACED(paths_are_made_without_following_links), PLACED(a_tree_is_removed_and_nothing_beside_it),
    PLACED(a_tree_may_hold_the_names_that_its_removal_takes))
