/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "common/fs.h"
#include "common/strv.h"
#include "helper/container/user.h"

#define PASSWD                                        \
        "root:x:0:0:root:/root:/bin/bash\n"           \
        "app:x:1000:1001:The App:/home/app:/bin/sh\n" \
        "app:x:0:0:a second one:/evil:/bin/evil\n"    \
        "twin:x:1000:1:the same number:/:/bin/sh\n"   \
        "99999999999:x:0:0::/:/bin/sh\n"              \
        "4294967295:x:0:0::/:/bin/sh\n"               \
        "007:x:0:0::/:/bin/sh\n"                      \
        "short:x:5\n"                                 \
        "toolong:x:5:5::/:/bin/sh:more\n"             \
        "letters:x:five:5::/:/bin/sh\n"               \
        "minus:x:-1:5::/:/bin/sh\n"                   \
        "overflow:x:4294967296:5::/:/bin/sh\n"        \
        "nochange:x:4294967295:5::/:/bin/sh\n"        \
        ":x:0:0:no name:/:/bin/sh\n"                  \
        "bare:x:77:78:::\n"                           \
        "last:x:2000:2000::/:/bin/last"

#define GROUP                         \
        "root:x:0:\n"                 \
        "app:x:1001:\n"               \
        "wheel:x:10:root,app\n"       \
        "apples:x:11:apple,ap,appp\n" \
        "wheel:x:12:\n"               \
        "again:x:10:app\n"            \
        "broken:x:y:app\n"            \
        "tail:x:99:twin,app"

typedef struct Root {
        char path[64];
        int fd;
} Root;

static void put(const char *root, const char *file, const char *text, size_t size) {
        char path[128];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", root, file);
        (void) unlink(path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write_fd(fd, text, size), 0);
        close_fd(fd);
}

static int make_root(void **state) {
        Root *root = calloc(1, sizeof(Root));
        char path[96];

        assert_non_null(root);
        strcpy(root->path, "/tmp/berth-user.XXXXXX");
        assert_non_null(mkdtemp(root->path));
        snprintf(path, sizeof(path), "%s/etc", root->path);
        assert_int_equal(mkdir(path, 0755), 0);
        put(root->path, "etc/passwd", PASSWD, strlen(PASSWD));
        put(root->path, "etc/group", GROUP, strlen(GROUP));
        root->fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(root->fd >= 0);
        *state = root;
        return 0;
}

static int remove_root(void **state) {
        Root *root = *state;

        close_fd(root->fd);
        assert_int_equal(remove_tree(AT_FDCWD, root->path), 0);
        free(root);
        return 0;
}

static void who_is_who(void **state) {
        static const struct {
                const char *user, *group;
                uid_t uid;
                const char *groups; /* in order, the primary one first */
                const char *name, *home, *shell;
        } rows[] = {
                { NULL, NULL, 0, "0 10", "root", "/root", "/bin/bash" },
                { "root", NULL, 0, "0 10", "root", "/root", "/bin/bash" },
                { "0", NULL, 0, "0 10", "root", "/root", "/bin/bash" },
                { "00", NULL, 0, "0 10", "root", "/root", "/bin/bash" },
                { "app", NULL, 1000, "1001 10 99", "app", "/home/app", "/bin/sh" },
                { "1000", NULL, 1000, "1001 10 99", "app", "/home/app", "/bin/sh" },
                { "01000", NULL, 1000, "1001 10 99", "app", "/home/app", "/bin/sh" },
                { "twin", NULL, 1000, "1 99", "twin", "/", "/bin/sh" },
                { "1", NULL, 1, "1", NULL, "/", "/bin/sh" },
                { "01", NULL, 1, "1", NULL, "/", "/bin/sh" },
                { "007", NULL, 7, "7", NULL, "/",
                  "/bin/sh" }, /* digits are a number, whatever passwd calls so */
                { "4294967294", NULL, 4294967294U, "4294967294", NULL, "/", "/bin/sh" },
                { "bare", NULL, 77, "78", "bare", "/", "/bin/sh" },
                { "last", NULL, 2000, "2000", "last", "/", "/bin/last" },
                { "app", "wheel", 1000, "10 99", "app", "/home/app",
                  "/bin/sh" }, /* the first of that name */
                { "app", "5", 1000, "5 10 99", "app", "/home/app", "/bin/sh" },
                { "4242", "tail", 4242, "99", NULL, "/", "/bin/sh" },
                { "4242", "0", 4242, "0", NULL, "/", "/bin/sh" },
        };
        const Root *root = *state;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_user_ User user = {};
                char groups[256] = "", *p = groups;

                ROW(i, rows[i].user ? rows[i].user : "NULL",
                    user_resolve(root->fd, rows[i].user, rows[i].group, &user) == 0);
                for (size_t k = 0; k < user.n_groups; k++)
                        p += sprintf(p, "%s%u", k > 0 ? " " : "", user.groups[k]);
                ROW(i, groups, streq(groups, rows[i].groups));
                ROW(i, groups, user.uid == rows[i].uid && user.gid == user.groups[0]);
                ROW(i, "name", rows[i].name ? user.name && streq(user.name, rows[i].name) : !user.name);
                ROW(i, user.home, streq(user.home, rows[i].home));
                ROW(i, user.shell, streq(user.shell, rows[i].shell));
        }
}

static void who_is_nobody(void **state) {
        static const struct {
                const char *user, *group;
                int error;
        } rows[] = {
                { "", NULL, -EINVAL },
                { "4294967295", NULL, -EINVAL },
                { "4294967296", NULL, -EINVAL },
                { "99999999999", NULL, -EINVAL },
                { "18446744073709551616", NULL, -EINVAL },
                { "+1", NULL, -ESRCH },
                { "-1", NULL, -ESRCH },
                { " 1", NULL, -ESRCH },
                { "1 ", NULL, -ESRCH },
                { "0x0", NULL, -ESRCH },
                { "1.0", NULL, -ESRCH },
                { "ROOT", NULL, -ESRCH },
                { "roo", NULL, -ESRCH },
                { "root ", NULL, -ESRCH },
                { "nobody", NULL, -ESRCH },
                { "short", NULL, -ESRCH },
                { "toolong", NULL, -ESRCH },
                { "letters", NULL, -ESRCH },
                { "minus", NULL, -ESRCH },
                { "overflow", NULL, -ESRCH },
                { "nochange", NULL, -ESRCH },
                { "root:x", NULL, -ESRCH },
                { "root\n", NULL, -ESRCH },
                { "root", "", -EINVAL },
                { "root", "4294967295", -EINVAL },
                { "root", "none", -ENXIO },
                { "root", "broken", -ENXIO },
                { "root", "-1", -ENXIO },
        };
        const Root *root = *state;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_user_ User user = {};

                ROW(i, rows[i].user,
                    user_resolve(root->fd, rows[i].user, rows[i].group, &user) == rows[i].error);
                ROW(i, rows[i].user, !user.name && !user.groups && user.uid == 0 && user.n_groups == 0);
                ROW(i, rows[i].user, *user_strerror(rows[i].error) != '\0');
        }
}

static void numbers_need_no_files(void **state) {
        const Root *root = *state;
        _cleanup_user_ User user = {};

        assert_int_equal(unlinkat(root->fd, "etc/passwd", 0), 0);
        assert_int_equal(unlinkat(root->fd, "etc/group", 0), 0);
        assert_int_equal(user_resolve(root->fd, "app", NULL, &user), -ESRCH);
        assert_int_equal(user_resolve(root->fd, "1000", "app", &user), -ENXIO);
        assert_int_equal(user_resolve(root->fd, "1000", NULL, &user), 0);
        assert_int_equal(user.gid, 1000); /* never silently 0 */
        user_done(&user);
        assert_int_equal(unlinkat(root->fd, "etc", AT_REMOVEDIR), 0);
        assert_int_equal(user_resolve(root->fd, NULL, NULL, &user), 0);
        assert_int_equal(user.uid, 0);
}

static void check_hostile(const Root *root, const char *what, int error) {
        _cleanup_user_ User user = {};
        struct timespec before, after;
        int r;

        /* Of the processor, of which a machine that stands still gives none; what blocks runs into the test's limit. */
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
        r = user_resolve(root->fd, "app", NULL, &user);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
        if (r != error)
                fail_msg("%s: %d instead of %d", what, r, error);
        if ((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 > 500)
                fail_msg("%s: took too long", what);
        assert_int_equal(unlinkat(root->fd, "etc/passwd", 0), 0);
}

static void hostile_files_are_refused_at_once(void **state) {
        const Root *root = *state;
        char path[128];
        int fd;

        snprintf(path, sizeof(path), "%s/etc/passwd", root->path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0644), 0);
        check_hostile(root, "FIFO", -ENOTSUP);
        assert_int_equal(symlink("/dev/zero", path), 0);
        check_hostile(root, "link to a file that only the host has", -ESRCH);
        assert_int_equal(symlink("/etc/passwd", path), 0);
        check_hostile(root, "link to itself", -ELOOP);
        assert_int_equal(symlink("../../../../../../../../etc/hostname", path), 0);
        check_hostile(root, "link out of the root", -ESRCH);
        assert_int_equal(symlink("/etc/group", path), 0);
        check_hostile(root, "link inside", -ESRCH);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_int_equal(ftruncate(fd, (off_t) 5 << 30), 0);
        close_fd(fd);
        check_hostile(root, "sparse file of 5 GiB", -EMSGSIZE);
}

static void hostile_content_is_nobodys(void **state) {
        static const char nul[] =
                        "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\0\napp:x:0:0::/:/bin/sh\n";
        const Root *root = *state;
        _cleanup_free_ char *line = NULL;

        /* Behind a NUL there is nothing: what follows it could be meant for other readers. */
        put(root->path, "etc/passwd", nul + 22, sizeof(nul) - 23);
        {
                _cleanup_user_ User user = {};

                assert_int_equal(user_resolve(root->fd, "app", NULL, &user), 0);
                assert_int_equal(user.uid, 1000);
        }
        put(root->path, "etc/passwd", "\0app:x:0:0::/:/bin/sh\n", 22);
        check_hostile(root, "NUL first", -ESRCH);
        assert_true(asprintf(&line, "app:x:0:0:%05000d:/:/bin/sh\n", 0) > 0);
        put(root->path, "etc/passwd", line, strlen(line));
        check_hostile(root, "long line", -ESRCH);
        put(root->path, "etc/passwd", "app:x:0:0::/", 12);
        check_hostile(root, "cut off", -ESRCH);
        put(root->path, "etc/passwd", "\n\n\n:::\n::::::\n", 14);
        check_hostile(root, "empty fields", -ESRCH);
}

static void many_groups_are_fine_and_each_once(void **state) {
        const Root *root = *state;
        _cleanup_free_ char *text = malloc(1024 * 1024);
        _cleanup_user_ User user = {};
        char *p = text;

        assert_non_null(text);
        for (unsigned i = 0; i < 20000; i++)
                p += sprintf(p, "g%u:x:%u:app\n", i, 3000 + i % 4000);
        put(root->path, "etc/group", text, (size_t) (p - text));
        assert_int_equal(user_resolve(root->fd, "app", NULL, &user), 0);
        assert_int_equal(user.n_groups, 4001);
        for (unsigned i = 0; i < 300; i++) { /* there is room for more, of which some are there already */
                char number[16];

                snprintf(number, sizeof(number), "%u", 6900 + i);
                assert_int_equal(user_add_group(root->fd, number, &user), 0);
        }
        assert_int_equal(user.n_groups, 4201);
        assert_int_equal(user.groups[0], 1001);
        assert_int_equal(user.groups[4200], 7199);
}

/* As many as fit into the file: their sum is told at once, not after seconds of comparing each with each. */
static void as_many_groups_as_a_hostile_file_has(void **state) {
        const Root *root = *state;
        _cleanup_free_ char *text = malloc(1024 * 1024);
        _cleanup_user_ User user = {};
        char *p = text;

        assert_non_null(text);
        for (unsigned i = 0; i < 65535; i++)
                p += sprintf(p, "g::%u:app\n", 65535 - i + 2000);
        put(root->path, "etc/group", text, (size_t) (p - text));
        assert_int_equal(user_resolve(root->fd, "app", NULL, &user), 0);
        assert_int_equal(user.n_groups, 65536);
        p += sprintf(p, "g::1:app\n");
        put(root->path, "etc/group", text, (size_t) (p - text));
        user_done(&user);
        assert_int_equal(user_resolve(root->fd, "app", NULL, &user), -E2BIG);
}

static void what_passwd_says_fills_the_gaps(void **state) {
        const Root *root = *state;
        _cleanup_user_ User user = {};
        _cleanup_strv_ char **env = NULL;

        assert_int_equal(strv_append(&env, "HOME=/own"), 0);
        assert_int_equal(user_resolve(root->fd, "app", NULL, &user), 0);
        assert_int_equal(user_fill_env(&user, &env), 0);
        assert_string_equal(strv_env_get(env, "HOME"), "/own");
        assert_string_equal(strv_env_get(env, "USER"), "app");
        assert_string_equal(strv_env_get(env, "LOGNAME"), "app");
        assert_string_equal(strv_env_get(env, "SHELL"), "/bin/sh");
}

#define ROOTED(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

RUN(ROOTED(who_is_who), ROOTED(who_is_nobody), ROOTED(numbers_need_no_files),
    ROOTED(hostile_files_are_refused_at_once), ROOTED(hostile_content_is_nobodys),
    ROOTED(many_groups_are_fine_and_each_once), ROOTED(as_many_groups_as_a_hostile_file_has),
    ROOTED(what_passwd_says_fills_the_gaps))
