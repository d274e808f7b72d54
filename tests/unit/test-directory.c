/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/directory.h"
#include "common/fs.h"
#include "common/strv.h"

/* A fresh directory that holds "a", "b", ".hidden" and a directory "sub". */
typedef struct Place {
        char path[64];
        int fd;
} Place;

static int set_up(void **state) {
        Place *p = calloc(1, sizeof(Place));

        assert_non_null(p);
        strcpy(p->path, "/tmp/berth-test-directory-XXXXXX");
        assert_non_null(mkdtemp(p->path));
        p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(p->fd >= 0);
        assert_int_equal(mkdirat(p->fd, "sub", 0755), 0);
        assert_int_equal(write_file_at(p->fd, "b", "", 0, 0600), 0);
        assert_int_equal(write_file_at(p->fd, "a", "", 0, 0600), 0);
        assert_int_equal(write_file_at(p->fd, ".hidden", "", 0, 0600), 0);
        *state = p;
        return 0;
}

static int tear_down(void **state) {
        Place *p = *state;

        assert_int_equal(remove_tree(AT_FDCWD, p->path), 0);
        close_fd(p->fd);
        free(p);
        return 0;
}

static void each_entry_is_told_once_and_the_end_is_no_error(void **state) {
        const Place *p = *state;
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry = NULL, *last = NULL;
        int n = 0, r;

        assert_int_equal(directory_open(p->fd, ".", 0, &dir), 0);
        errno = EIO; /* whatever was there before is not taken for an error */
        while ((r = directory_next(dir, &entry)) > 0) {
                assert_false(streq(entry->d_name, ".") || streq(entry->d_name, ".."));
                last = entry;
                n++;
        }
        assert_int_equal(r, 0);
        assert_int_equal(n, 4);
        assert_ptr_equal(entry, last);
}

static void reading_begins_at_the_beginning_each_time(void **state) {
        const Place *p = *state;
        _cleanup_close_ int path_fd = open(p->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (int i = 0; i < 3; i++) {
                _cleanup_strv_ char **names = NULL, **same = NULL;

                assert_int_equal(directory_names(p->fd, ".", 0, NULL, &names), 0);
                assert_int_equal(directory_names(path_fd, ".", 0, NULL, &same), 0);
                assert_int_equal(strv_length(names), 4);
                assert_int_equal(strv_length(same), 4);
        }
}

static void a_directory_that_cannot_be_read_is_an_error_and_not_an_empty_one(void **state) {
        const Place *p = *state;
        _cleanup_close_ int file_fd = openat(p->fd, "a", O_RDONLY | O_CLOEXEC);
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry = NULL;
        char *untouched[] = { NULL }, **names = untouched;

        assert_int_equal(directory_open(p->fd, "sub", 0, &dir), 0);
        assert_true(dup3(file_fd, dirfd(dir), O_CLOEXEC) >= 0); /* getdents64(2) is refused from now on */
        assert_int_equal(directory_next(dir, &entry), -ENOTDIR);
        assert_null(entry);
        assert_int_equal(directory_names(p->fd, "a", 0, NULL, &names), -ENOTDIR);
        assert_ptr_equal(names, untouched);
}

static void a_directory_that_is_removed_meanwhile_holds_nothing(void **state) {
        const Place *p = *state;
        _cleanup_directory_ DIR *dir = NULL;
        const struct dirent *entry;

        assert_int_equal(directory_open(p->fd, "sub", 0, &dir), 0);
        assert_int_equal(unlinkat(p->fd, "sub", AT_REMOVEDIR), 0);
        assert_int_equal(directory_next(dir, &entry), 0);
}

static void what_is_no_directory_is_not_opened(void **state) {
        const Place *p = *state;
        DIR *dir = NULL;

        assert_int_equal(symlinkat("sub", p->fd, "link"), 0);
        assert_int_equal(directory_open(p->fd, "a", 0, &dir), -ENOTDIR);
        assert_int_equal(directory_open(p->fd, "gone", 0, &dir), -ENOENT);
        assert_int_equal(directory_open(-EBADF, ".", 0, &dir), -EBADF);
        assert_int_equal(directory_open(p->fd, "link", O_NOFOLLOW, &dir), -ENOTDIR);
        assert_null(dir);
        assert_int_equal(directory_open(p->fd, "link", 0, &dir), 0);
        directory_closep(&dir);
}

static bool is_none(const char *name _unused_) {
        return false;
}

static void names_are_sorted_and_chosen(void **state) {
        const Place *p = *state;
        _cleanup_strv_ char **names = NULL, **none = NULL, **many = NULL;

        assert_int_equal(directory_names(p->fd, ".", 0, directory_is_visible, &names), 0);
        assert_int_equal(strv_length(names), 3);
        assert_string_equal(names[0], "a");
        assert_string_equal(names[1], "b");
        assert_string_equal(names[2], "sub");
        assert_int_equal(directory_names(p->fd, ".", 0, is_none, &none), 0);
        assert_null(none);

        for (int i = 0; i < 100; i++) {
                char name[16];

                snprintf(name, sizeof(name), "sub/%03d", i);
                assert_int_equal(write_file_at(p->fd, name, "", 0, 0600), 0);
        }
        assert_int_equal(directory_names(p->fd, "sub", O_NOFOLLOW, NULL, &many), 0);
        assert_int_equal(strv_length(many), 100);
        assert_string_equal(many[0], "000");
        assert_string_equal(many[99], "099");
}

#define PLACED(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(PLACED(each_entry_is_told_once_and_the_end_is_no_error),
    PLACED(reading_begins_at_the_beginning_each_time),
    PLACED(a_directory_that_cannot_be_read_is_an_error_and_not_an_empty_one),
    PLACED(a_directory_that_is_removed_meanwhile_holds_nothing), PLACED(what_is_no_directory_is_not_opened),
    PLACED(names_are_sorted_and_chosen))
