/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/fs.h"
#include "helper/container/command.h"
#include "helper/container/pty.h"

static char directory[] = "/tmp/berth-command.XXXXXX";

static void put(const char *name, const char *text, mode_t mode) {
        char path[96];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        assert_int_equal(write_file_at(AT_FDCWD, path, text, strlen(text), mode), 0);
}

static int make_directory(void **state _unused_) {
        char path[96];

        assert_non_null(mkdtemp(directory));
        for (const char *const *name = (const char *const[]){ "one", "two", "two/directory", NULL }; *name;
             name++) {
                snprintf(path, sizeof(path), "%s/%s", directory, *name);
                assert_int_equal(mkdir(path, 0755), 0);
        }
        put("one/plain", "no program\n", 0644);
        put("two/plain", "#!/bin/sh\nexit 42\n", 0755);
        put("two/only", "#!/bin/sh\nexit 43\n", 0755);
        put("two/noexec", "x", 0644);
        put("two/headless", "exit 0\n", 0755); /* no "#!": execvp(3) would run sh on it */
        put("two/lost", "#!/no/such/interpreter\n", 0755);
        return 0;
}

static int remove_directory(void **state _unused_) {
        return remove_tree(AT_FDCWD, directory);
}

/* The exit status of argv[0] executed with that PATH, or the negative errno that command_exec() gave. */
static int execute(const char *name, const char *path) {
        char assignment[256], word[128];
        char *argv[] = { word, NULL };
        char *env[] = { path ? assignment : NULL, NULL };
        int status;
        pid_t pid;

        snprintf(word, sizeof(word), "%s", name);
        if (path)
                snprintf(assignment, sizeof(assignment), "PATH=%s", path);
        pid = fork();
        if (pid == 0)
                _exit(200 + (command_exec(argv, env) == -ENOENT ? 1 : errno == EACCES ? 2 : 3));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WEXITSTATUS(status);
}

static void commands_are_found_in_path(void **state _unused_) {
        char both[256], two[256], slash[256];

        snprintf(both, sizeof(both), "%s/one:/no/such:%s/two", directory, directory);
        snprintf(two, sizeof(two), "%s/two", directory);
        snprintf(slash, sizeof(slash), "%s/two/only", directory);
        assert_int_equal(execute("plain", both), 42); /* the first is not executable: go on */
        assert_int_equal(execute("only", both), 43);
        assert_int_equal(execute(slash, "/nowhere"), 43);
        assert_int_equal(execute("true", NULL), 0); /* the default */
        assert_int_equal(execute("only", ""), 201);
        assert_int_equal(execute("nothing", both), 201);
        assert_int_equal(execute("", both), 201);
        assert_int_equal(execute("noexec", two), 202);
        assert_int_equal(execute("directory", two), 202);
        assert_int_equal(execute("lost", two), 201);
        assert_int_equal(execute("headless", two), 203); /* ENOEXEC */
}

static void failures_have_statuses(void **state _unused_) {
        assert_int_equal(command_exit_status(-ENOENT), EXIT_NOT_FOUND);
        assert_int_equal(command_exit_status(ENOTDIR), EXIT_NOT_FOUND);
        assert_int_equal(command_exit_status(-EACCES), EXIT_NOT_EXECUTABLE);
        assert_int_equal(command_exit_status(-ENOEXEC), EXIT_NOT_EXECUTABLE);
        assert_int_equal(command_exit_status(-E2BIG), EXIT_NOT_EXECUTABLE);
}

static void directories_are_entered(void **state _unused_) {
        _cleanup_close_ int before = open(".", O_PATH | O_CLOEXEC);

        assert_int_equal(command_chdir(directory), 0);
        assert_int_equal(command_chdir("two"), 0);
        assert_int_equal(command_chdir("only"), -ENOTDIR);
        assert_int_equal(command_chdir("nothing"), -ENOENT);
        assert_int_equal(fchdir(before), 0);
}

static void sizes_of_terminals(void **state _unused_) {
        static const struct {
                const char *text;
                int error;
                unsigned short rows, columns;
        } rows[] = {
                { "24x80", 0, 24, 80 },
                { "1x1", 0, 1, 1 },
                { "65535x65535", 0, 65535, 65535 },
                { "024x080", 0, 24, 80 },
                { "0x80", -ERANGE, 0, 0 },
                { "24x0", -ERANGE, 0, 0 },
                { "65536x1", -ERANGE, 0, 0 },
                { "1x65536", -ERANGE, 0, 0 },
                { "99999999999x1", -ERANGE, 0, 0 },
                { "", -EINVAL, 0, 0 },
                { "x", -EINVAL, 0, 0 },
                { "24", -EINVAL, 0, 0 },
                { "24x", -EINVAL, 0, 0 },
                { "x80", -EINVAL, 0, 0 },
                { "24X80", -EINVAL, 0, 0 },
                { "24x80x1", -EINVAL, 0, 0 },
                { " 24x80", -EINVAL, 0, 0 },
                { "24x80 ", -EINVAL, 0, 0 },
                { "-1x80", -EINVAL, 0, 0 },
                { "+1x80", -EINVAL, 0, 0 },
                { "24:80", -EINVAL, 0, 0 },
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct winsize size = {};

                ROW(i, rows[i].text, pty_parse_size(rows[i].text, &size) == rows[i].error);
                ROW(i, rows[i].text, size.ws_row == rows[i].rows && size.ws_col == rows[i].columns);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(commands_are_found_in_path),
                TEST(failures_have_statuses),
                TEST(directories_are_entered),
                TEST(sizes_of_terminals),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
