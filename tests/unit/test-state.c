/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "common/fs.h"
#include "common/strv.h"
#include "helper/container/state.h"

/* The directory is fixed and root's: without root there is nothing to test. */
static int need_root(void **state _unused_) {
        if (geteuid() != 0) {
                print_message("skipped: needs root\n");
                exit(77);
        }
        return 0;
}

static char *own_name(void) {
        char *name = NULL;

        assert_true(asprintf(&name, "unit-test-%d", getpid()) > 0);
        return name;
}

/* A state of the process pid, with everything in it that is awkward to write. */
static void make_state(State *s, pid_t pid) {
        *s = (State){
                .name = own_name(),
                .unit = strdup("x.service"),
                .pid = pid,
                .cgroup = strdup("/machine.slice/x.service/payload"),
                .uid_base = 524288,
                .uid_count = 65536,
                .image = strdup("/srv/a\nPid=1\nb\\x41\\=\"\t"),
                .user = strdup(""),
                .uid = 4294967294U,
                .gid = 7,
                .groups = calloc(3, sizeof(gid_t)),
                .n_groups = 3,
                .working_directory = strdup("/a\\nb\n"),
                .hostname = strdup("x"),
                .capabilities = UINT64_MAX,
                .no_new_privs = true,
                .init = true,
                .created_usec = 1795394909002220,
        };
        s->groups[0] = 7;
        s->groups[1] = 0;
        s->groups[2] = 4294967294U;
        assert_int_equal(state_start_time(pid, &s->start_time), 0);
        assert_int_equal(state_namespace(pid, "pid", &s->pid_ns), 0);
        assert_int_equal(state_namespace(pid, "user", &s->user_ns), 0);
        assert_int_equal(strv_append(&s->env, "A=b\nc=d"), 0);
        assert_int_equal(strv_append(&s->env, "EMPTY="), 0);
        assert_int_equal(strv_append(&s->argv, "/bin/sh"), 0);
        assert_int_equal(strv_append(&s->argv, ""), 0);
        assert_int_equal(strv_append(&s->argv, "last"), 0);
}

static char *directory_of(const char *name) {
        char *path = NULL;

        assert_true(asprintf(&path, "%s/%s", BERTH_CONTAINER_DIR, name) > 0);
        return path;
}

static void remove_state(const char *name) {
        assert_int_equal(state_remove(name), 0);
}

static void what_is_written_is_read(void **state _unused_) {
        _cleanup_state_ State written = {}, read = {};
        _cleanup_free_ char *directory = NULL, *path = NULL, *argv = NULL;
        _cleanup_strv_ char **names = NULL;
        size_t size;

        make_state(&written, getpid());
        assert_int_equal(state_write(&written, NULL), 0);
        assert_int_equal(state_read(written.name, &read), -ENOENT);
        assert_int_equal(state_publish(written.name), 0);
        assert_int_equal(state_read(written.name, &read), 0);
        assert_string_equal(read.name, written.name);
        assert_string_equal(read.unit, written.unit);
        assert_null(read.invocation_id);
        assert_string_equal(read.image, written.image);
        assert_string_equal(read.working_directory, written.working_directory);
        assert_string_equal(read.user, "");
        assert_int_equal(read.pid, getpid());
        assert_true(read.start_time == written.start_time && read.capabilities == UINT64_MAX);
        assert_true(read.pid_ns == written.pid_ns && read.user_ns == written.user_ns);
        assert_true(read.uid == 4294967294U && read.gid == 7 && read.no_new_privs && read.init);
        assert_int_equal(read.n_groups, 3);
        assert_memory_equal(read.groups, written.groups, 3 * sizeof(gid_t));
        assert_int_equal(strv_length(read.env), 2);
        assert_string_equal(read.env[0], "A=b\nc=d");
        assert_null(read.argv); /* a file for others */
        directory = directory_of(written.name);
        assert_true(asprintf(&path, "%s/argv", directory) > 0);
        assert_int_equal(read_file_at(AT_FDCWD, path, 64, &argv, &size), 0);
        assert_int_equal(size, 14);
        assert_memory_equal(argv, "/bin/sh\0\0last", 14);
        assert_int_equal(state_list(&names), 0);
        assert_true(strv_contains(names, written.name));
        remove_state(written.name);
        state_done(&read);
        assert_int_equal(state_read(written.name, &read), -ENOENT);
}

static void the_leader_is_believed_while_it_is_the_same_process(void **state _unused_) {
        _cleanup_state_ State s = {};
        pid_t pid = fork();
        uint64_t value;
        int fd;

        if (pid == 0) {
                pause();
                _exit(0);
        }
        make_state(&s, pid);
        fd = state_open_leader(&s);
        assert_true(fd >= 0);
        close_fd(fd);

        value = s.start_time++;
        assert_int_equal(state_open_leader(&s), -ESRCH);
        s.start_time = value;
        value = s.pid_ns++;
        assert_int_equal(state_open_leader(&s), -ESRCH);
        s.pid_ns = value;
        value = s.user_ns++;
        assert_int_equal(state_open_leader(&s), -ESRCH);
        s.user_ns = value;

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t) pid, &(siginfo_t){}, WEXITED | WNOWAIT), 0);
        assert_int_equal(state_open_leader(&s), -ESRCH); /* a zombie runs nothing */
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(state_open_leader(&s), -ESRCH);
}

/* Each row damages the good text: what is cut out of it, and what comes in its place. */
static void damaged_files_are_not_believed(void **state _unused_) {
        static const struct {
                const char *cut, *paste;
                int error;
        } rows[] = {
                { "Format=1\n", "Format=2\n", -EBADMSG },
                { "Format=1\n", "", -EBADMSG },
                { "Pid=", "Pid=x", -EBADMSG },
                { "Pid=", "Pid=-", -EBADMSG },
                { "Pid=", "Pid= ", -EBADMSG },
                { "Pid=", "Dip=", -EBADMSG }, /* missing */
                { "Pid=", "Pid=1\nPid=99999999999", -EBADMSG },
                { "StartTime=", "StartTime=99999999999999999999", -EBADMSG },
                { "Groups=7 0", "Groups=7  0", -EBADMSG },
                { "Groups=7 0", "Groups=7 0 ", -EBADMSG },
                { "Groups=7 0", "Groups=", -EBADMSG },
                { "Groups=7 0", "Groups=4294967295", -EBADMSG },
                { "Groups=7 0", "Groups=1\nGroups=7 0", -EBADMSG },
                { "Gid=7", "Gid=", -EBADMSG },
                { "NoNewPrivileges=yes", "NoNewPrivileges=maybe", -EBADMSG },
                { "Hostname=x\n", "no assignment\nHostname=x\n", -EBADMSG },
                { "Hostname=x\n", "\nHostname=x\n", -EBADMSG }, /* what follows an empty line is lost */
                { "Hostname=x\n", "Hostname=x\nLater=1\n", 0 }, /* of a later version */
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                _cleanup_state_ State written = {}, read = {};
                _cleanup_free_ char *directory = NULL, *text = NULL, *damaged = NULL;
                _cleanup_close_ int fd = -EBADF;
                char *at;

                make_state(&written, getpid());
                assert_int_equal(state_write(&written, NULL), 0);
                assert_int_equal(state_publish(written.name), 0);
                directory = directory_of(written.name);
                fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_int_equal(read_file_at(fd, "state", 65536, &text, NULL), 0);
                at = strstr(text, rows[i].cut);
                ROW(i, rows[i].paste, at != NULL);
                assert_true(asprintf(&damaged, "%.*s%s%s", (int) (at - text), text, rows[i].paste,
                                     at + strlen(rows[i].cut)) > 0);
                assert_int_equal(write_file_at(fd, "state", damaged, strlen(damaged), 0600), 0);
                ROW(i, rows[i].paste, state_read(written.name, &read) == rows[i].error);
                if (rows[i].error < 0)
                        ROW(i, rows[i].paste, !read.name && !read.image && !read.groups);
                remove_state(written.name);
        }
}

static void a_half_written_one_is_none(void **state _unused_) {
        _cleanup_state_ State written = {}, read = {};
        _cleanup_free_ char *directory = NULL, *path = NULL;

        make_state(&written, getpid());
        assert_int_equal(state_write(&written, NULL), 0);
        assert_int_equal(state_publish(written.name), 0);
        directory = directory_of(written.name);
        assert_true(asprintf(&path, "%s/state", directory) > 0);
        assert_int_equal(truncate(path, 20), 0);
        assert_int_equal(state_read(written.name, &read), -EBADMSG);
        assert_int_equal(truncate(path, 0), 0);
        assert_int_equal(state_read(written.name, &read), -EBADMSG);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(state_read(written.name, &read), -ENOENT);
        /* a link is not followed to where it leads */
        remove_state(written.name);
        assert_int_equal(symlink("/etc", directory), 0);
        assert_true(state_read(written.name, &read) < 0);
        assert_int_equal(unlink(directory), 0);
}

static void only_names_are_looked_up(void **state _unused_) {
        static const char *const names[] = { "", ".", "..", "../containers", "a/b", "/etc", "a b", "x@" };
        _cleanup_state_ State read = {};

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                ROW(i, names[i], state_read(names[i], &read) == -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(what_is_written_is_read),
                TEST(the_leader_is_believed_while_it_is_the_same_process),
                TEST(damaged_files_are_not_believed),
                TEST(a_half_written_one_is_none),
                TEST(only_names_are_looked_up),
        };

        return cmocka_run_group_tests(tests, need_root, NULL);
}
