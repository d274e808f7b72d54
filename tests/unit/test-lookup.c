/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/manifests.h"
#include "generator/lines.h"
#include "generator/lookup.h"

typedef struct Place {
        char path[64];
        int fd;
        Lookup lookup;
} Place;

static void put(const Place *p, const char *path, const char *text) {
        assert_int_equal(write_file_at(p->fd, path, text, strlen(text), 0644), 0);
}

static void put_directory(const Place *p, const char *path) {
        int fd = make_path(p->fd, path, 0755);

        assert_true(fd >= 0);
        close_fd(fd);
}

static int set_up(void **state) {
        Place *p = calloc(1, sizeof(Place));

        assert_non_null(p);
        strcpy(p->path, "/tmp/berth-test-lookup-XXXXXX");
        assert_non_null(mkdtemp(p->path));
        p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        p->lookup.root_fd = -EBADF;
        put_directory(p, "etc/berth");
        put_directory(p, "usr/lib/berth");
        put_directory(p, "usr/lib/systemd/system");
        put_directory(p, "etc/systemd/system");
        *state = p;
        return 0;
}

static int tear_down(void **state) {
        Place *p = *state;

        lookup_done(&p->lookup);
        assert_int_equal(remove_tree(AT_FDCWD, p->path), 0);
        close_fd(p->fd);
        free(p);
        return 0;
}

static void look(Place *p) {
        assert_int_equal(lookup_open(&p->lookup, p->path, LOOKUP_MANIFEST_PATH, SYSTEM_UNIT_PATH), 0);
}

static void names_are_sorted_and_the_first_directory_wins(void **state) {
        Place *p = *state;
        const Source *s;

        put(p, "usr/lib/berth/b.berth", "2");
        put(p, "usr/lib/berth/a.berth", "1");
        put(p, "etc/berth/b.berth", "3");
        put(p, "etc/berth/c.berth", "4");
        put(p, "etc/berth/.hidden.berth", "");
        put(p, "etc/berth/d.berth~", "");
        put(p, "etc/berth/e.conf", "");
        look(p);
        assert_int_equal(p->lookup.n, 4);
        assert_string_equal(p->lookup.list[0].path, "/usr/lib/berth/a.berth");
        assert_string_equal(p->lookup.list[1].path, "/etc/berth/b.berth");
        assert_string_equal(p->lookup.list[2].path, "/usr/lib/berth/b.berth");
        assert_int_equal(p->lookup.list[1].state, SOURCE_MANIFEST);
        assert_int_equal(p->lookup.list[2].state, SOURCE_SHADOWED);
        s = lookup_find(&p->lookup, "b");
        assert_non_null(s);
        assert_string_equal(s->path, "/etc/berth/b.berth");
        assert_null(lookup_find(&p->lookup, "bb"));
        assert_null(lookup_find(&p->lookup, ""));
}

static void a_link_to_dev_null_masks(void **state) {
        Place *p = *state;

        put(p, "usr/lib/berth/web.berth", "");
        assert_int_equal(symlinkat("/dev/null", p->fd, "etc/berth/web.berth"), 0);
        look(p);
        assert_int_equal(lookup_find(&p->lookup, "web")->state, SOURCE_MASKED);
        assert_int_equal(p->lookup.list[1].state, SOURCE_SHADOWED);
}

/* What asks for one name has to be told what who reads all of them finds. */
static void one_name_alone_is_found_by_the_same_rule(void **state) {
        static const struct {
                const char *name;
                ManifestState state;
        } rows[] = {
                { "low", MANIFEST_PRESENT },      { "masked", MANIFEST_MASKED },
                { "unmasked", MANIFEST_PRESENT }, { "dangling", MANIFEST_PRESENT },
                { "longer", MANIFEST_PRESENT },   { "shorter", MANIFEST_PRESENT },
                { "nobody", MANIFEST_ABSENT },    { "t@1", MANIFEST_PRESENT },
                { "t@2", MANIFEST_MASKED },       { "t", MANIFEST_ABSENT },
                { "gone@1", MANIFEST_MASKED },    { "gone@2", MANIFEST_PRESENT },
                { "nobody@1", MANIFEST_ABSENT },
        };
        Place *p = *state;

        put(p, "usr/lib/berth/low.berth", "");
        put(p, "usr/lib/berth/masked.berth", "");
        assert_int_equal(symlinkat("/dev/null", p->fd, "etc/berth/masked.berth"), 0);
        put(p, "etc/berth/unmasked.berth", "");
        assert_int_equal(symlinkat("/dev/null", p->fd, "usr/lib/berth/unmasked.berth"), 0);
        assert_int_equal(symlinkat("nowhere", p->fd, "etc/berth/dangling.berth"), 0);
        assert_int_equal(symlinkat("/dev/nulls", p->fd, "etc/berth/longer.berth"), 0);
        assert_int_equal(symlinkat("/dev/nul", p->fd, "etc/berth/shorter.berth"), 0);
        put(p, "etc/berth/t@.berth", "");
        assert_int_equal(symlinkat("/dev/null", p->fd, "etc/berth/t@2.berth"), 0);
        put(p, "usr/lib/berth/gone@.berth", "");
        put(p, "usr/lib/berth/gone@2.berth", "");
        assert_int_equal(symlinkat("/dev/null", p->fd, "etc/berth/gone@.berth"), 0);
        look(p);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_free_ char *template = NULL;
                const Source *source = lookup_find(&p->lookup, rows[i].name);
                ManifestState found;

                if (!source && strchr(rows[i].name, '@')) {
                        template = strndup(rows[i].name, strcspn(rows[i].name, "@") + 1);
                        source = lookup_find(&p->lookup, template);
                }
                ROW(i, rows[i].name, manifests_find(p->fd, LOOKUP_MANIFEST_PATH, rows[i].name, &found) == 0);
                ROW(i, rows[i].name, found == rows[i].state);
                ROW(i, rows[i].name,
                    found == (!source                          ? MANIFEST_ABSENT
                              : source->state == SOURCE_MASKED ? MANIFEST_MASKED
                                                               : MANIFEST_PRESENT));
        }
}

static void what_cannot_be_read_says_why_and_never_blocks(void **state) {
        static const struct {
                const char *name;
                int error;
                const char *message;
        } rows[] = {
                { "dangling", -ENOENT, "is a link to nothing" },
                { "loop", -ELOOP, "is a link that leads in a circle" },
                { "directory", -EISDIR, "is a directory" },
                { "fifo", -EINVAL, "is no regular file" },
                { "fifolink", -EINVAL, "is no regular file" },
                { "outside", -ENOENT, "is a link to nothing" },
                { "big", -EFBIG, "is larger than 4 MiB" },
        };
        Place *p = *state;
        int fd;

        assert_int_equal(symlinkat("nowhere", p->fd, "etc/berth/dangling.berth"), 0);
        assert_int_equal(symlinkat("loop.berth", p->fd, "etc/berth/loop.berth"), 0);
        assert_int_equal(symlinkat("fifo.berth", p->fd, "etc/berth/fifolink.berth"), 0);
        assert_int_equal(symlinkat("/etc/passwd", p->fd, "etc/berth/outside.berth"), 0);
        put_directory(p, "etc/berth/directory.berth");
        assert_int_equal(mkfifoat(p->fd, "etc/berth/fifo.berth", 0644), 0);
        put(p, "etc/berth/big.berth", "");
        fd = openat(p->fd, "etc/berth/big.berth", O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, LINES_FILE_MAX + 1), 0);
        close_fd(fd);
        look(p);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char *data = (char *) 1;
                const char *message = NULL;
                size_t size;

                ROW(i, rows[i].name,
                    lookup_read(&p->lookup, lookup_find(&p->lookup, rows[i].name), &data, &size, &message) ==
                                    rows[i].error);
                ROW(i, rows[i].name, startswith(message, rows[i].message));
                ROW(i, rows[i].name, data == (char *) 1);
        }
}

static void a_manifest_is_read_whole_through_links_too(void **state) {
        Place *p = *state;

        put(p, "etc/berth/plain.berth", "hello");
        put(p, "etc/berth/empty.berth", "");
        put_directory(p, "srv");
        put(p, "srv/app", "hello");
        assert_int_equal(symlinkat("/srv/app", p->fd, "etc/berth/link.berth"), 0); /* below the root */
        look(p);
        for (size_t i = 0; i < p->lookup.n; i++) {
                _cleanup_free_ char *data = NULL;
                const char *message = NULL;
                size_t size;
                bool empty = streq(p->lookup.list[i].name, "empty");

                assert_int_equal(lookup_read(&p->lookup, &p->lookup.list[i], &data, &size, &message), 0);
                assert_string_equal(data, empty ? "" : "hello");
                assert_int_equal(size, empty ? 0 : 5);
        }
}

static void foreign_units_are_known_and_masks_are_none(void **state) {
        static const struct {
                const char *unit;
                bool foreign;
        } rows[] = {
                { "ssh.service", true },        { "sshd.service", true }, { "getty@.service", true },
                { "getty@tty1.service", true }, /* it would take the template's place */
                { "getty.service", false },     { "web.service", false }, { "x.service", false },
                { "under.service", true },
        };
        Place *p = *state;

        put(p, "usr/lib/systemd/system/ssh.service", "");
        put(p, "usr/lib/systemd/system/getty@.service", "");
        put(p, "usr/lib/systemd/system/x.socket", "");
        put(p, "usr/lib/systemd/system/under.service", "");
        assert_int_equal(symlinkat("/dev/null", p->fd, "etc/systemd/system/under.service"), 0);
        put_directory(p, "etc/systemd/system/web.service.d");
        assert_int_equal(symlinkat("/usr/lib/systemd/system/ssh.service", p->fd,
                                   "etc/systemd/system/sshd.service"),
                         0);
        assert_int_equal(symlinkat("/dev/null", p->fd, "etc/systemd/system/web.service"), 0);
        look(p);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                bool found;

                ROW(i, rows[i].unit, lookup_foreign(&p->lookup, rows[i].unit) == rows[i].foreign);
                ROW(i, rows[i].unit,
                    manifests_find_foreign(p->fd, SYSTEM_UNIT_PATH, rows[i].unit, &found) == 0);
                ROW(i, rows[i].unit, found == rows[i].foreign);
        }
}

/* The drop-ins of a manifest as "a b c", the directories of each without the first. */
static void check_dropins(const Place *p, const char *name, const char *expected) {
        _cleanup_free_ const DropIn **found = NULL;
        char text[1024] = "";
        size_t n = 0;

        assert_int_equal(dropins_find(&p->lookup.dropins, name, &found, &n), 0);
        for (size_t i = 0; i < n; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s", i > 0 ? " " : "",
                         found[i]->path, found[i]->error ? "!" : "");
        assert_string_equal(text, expected);
}

static void dropins_are_found_as_systemd_finds_its_own(void **state) {
        Place *p = *state;

        put_directory(p, "usr/lib/berth/web.berth.d");
        put_directory(p, "etc/berth/web.berth.d");
        put_directory(p, "usr/lib/berth/berth.d");
        put_directory(p, "etc/berth/app-.berth.d");
        put_directory(p, "usr/lib/berth/app-x.berth.d");
        put_directory(p, "etc/berth/t@.berth.d");
        put_directory(p, "usr/lib/berth/t@1.berth.d");
        put_directory(p, "etc/berth/a-@1.berth.d");
        put_directory(p, "usr/lib/berth/none.berth.d");
        put(p, "usr/lib/berth/web.berth.d/1.conf", "");
        put(p, "usr/lib/berth/web.berth.d/3.conf", "");
        put(p, "usr/lib/berth/web.berth.d/x\ny.conf", "");
        put(p, "etc/berth/web.berth.d/2.conf", "");
        put(p, "etc/berth/web.berth.d/3.conf", "");
        put(p, "etc/berth/web.berth.d/.4.conf", "");
        put(p, "etc/berth/web.berth.d/4.conf~", "");
        put(p, "usr/lib/berth/berth.d/3.conf", "");
        put(p, "usr/lib/berth/berth.d/5.conf", "");
        put(p, "etc/berth/app-.berth.d/1.conf", "");
        put(p, "usr/lib/berth/app-x.berth.d/1.conf", "");
        put(p, "usr/lib/berth/app-x.berth.d/0.conf", "");
        put(p, "etc/berth/t@.berth.d/1.conf", "");
        put(p, "usr/lib/berth/t@1.berth.d/1.conf", "");
        put(p, "usr/lib/berth/t@1.berth.d/2.conf", "");
        put(p, "etc/berth/a-@1.berth.d/1.conf", "");
        put(p, "usr/lib/berth/none.berth.d/README", "");
        assert_int_equal(symlinkat("/dev/null", p->fd, "etc/berth/t@.berth.d/2.conf"), 0);
        put(p, "etc/berth/t@.berth", "");
        put(p, "etc/berth/gone.berth.d", "");
        look(p);
        check_dropins(p, "web",
                      "/usr/lib/berth/web.berth.d/1.conf /etc/berth/web.berth.d/2.conf "
                      "/etc/berth/web.berth.d/3.conf /usr/lib/berth/berth.d/5.conf "
                      "/usr/lib/berth/web.berth.d/x?y.conf!");
        check_dropins(p, "app-x",
                      "/usr/lib/berth/app-x.berth.d/0.conf /etc/berth/app-.berth.d/1.conf "
                      "/usr/lib/berth/berth.d/3.conf /usr/lib/berth/berth.d/5.conf");
        check_dropins(p, "app-x-y",
                      "/etc/berth/app-.berth.d/1.conf /usr/lib/berth/berth.d/3.conf /usr/lib/berth/berth.d/5.conf");
        check_dropins(p, "app", "/usr/lib/berth/berth.d/3.conf /usr/lib/berth/berth.d/5.conf");
        check_dropins(p, "t@1",
                      "/etc/berth/t@.berth.d/1.conf /usr/lib/berth/berth.d/3.conf "
                      "/usr/lib/berth/berth.d/5.conf");
        check_dropins(p, "a-b@1",
                      "/etc/berth/a-@1.berth.d/1.conf /usr/lib/berth/berth.d/3.conf "
                      "/usr/lib/berth/berth.d/5.conf");
        check_dropins(p, "a-b@", "/usr/lib/berth/berth.d/3.conf /usr/lib/berth/berth.d/5.conf");
        check_dropins(p, "gone",
                      "/usr/lib/berth/berth.d/3.conf /usr/lib/berth/berth.d/5.conf /etc/berth/gone.berth.d!");
        /* an instance that only its drop-ins know of */
        assert_non_null(lookup_find(&p->lookup, "t@1"));
        assert_string_equal(lookup_find(&p->lookup, "t@1")->path, "/etc/berth/t@.berth");
}

static void wrong_paths_are_refused(void **state) {
        Place *p = *state;

        assert_int_equal(lookup_open(&p->lookup, p->path, "etc/berth", "/x"), -EINVAL);
        lookup_done(&p->lookup);
        assert_int_equal(lookup_open(&p->lookup, p->path, "/a\nb", "/x"), -EINVAL);
        lookup_done(&p->lookup);
        assert_int_equal(lookup_open(&p->lookup, "/nowhere", "/a", "/x"), -ENOENT);
        lookup_done(&p->lookup);
        assert_int_equal(lookup_open(&p->lookup, p->path, "/absent::/etc/berth/:", ""), 0);
        assert_int_equal(p->lookup.n_directories, 1);
}

#define PLACED(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(PLACED(names_are_sorted_and_the_first_directory_wins), PLACED(a_link_to_dev_null_masks),
    PLACED(one_name_alone_is_found_by_the_same_rule), PLACED(what_cannot_be_read_says_why_and_never_blocks),
    PLACED(a_manifest_is_read_whole_through_links_too), PLACED(foreign_units_are_known_and_masks_are_none),
    PLACED(dropins_are_found_as_systemd_finds_its_own), PLACED(wrong_paths_are_refused))
