/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/session.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/contract.h"
#include "common/directory.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/names.h"
#include "common/strv.h"
#include "helper/exec/spawn.h"

#define STATE_SIZE_MAX     (4 * 1024 * 1024)
#define SESSIONS_MAX       32     /* of a container: they are kept in memory that is the host's */
#define SESSION_NEW_SUFFIX ".new" /* no session's ID has a dot */
#define LAST_LINE          "# berth: all of it\n"

/* Descriptor 9 is the file in memory. The shell reads it, empties it, and at its end, however it comes to that, writes
 * anew what there is; the last line says that it was all. A shell that is killed writes nothing. "set +o" tells options
 * as commands, "set" all variables, quoted (POSIX.1, "set"); bash tells more, and better, by its own means. */
#define SCRIPT                                                                                                      \
        "trap '_berth_status=$?; trap - EXIT; {\n"                                                                  \
        "if [ -n \"${BASH_VERSION-}\" ]; then declare -p; declare -f; alias -p; shopt -p;\n"                        \
        "else set; export -p; alias | while IFS= read -r _berth_line; do\n"                                         \
        "case $_berth_line in alias\\ *) echo \"$_berth_line\";; *) echo \"alias $_berth_line\";; esac; done; fi\n" \
        "echo \"cd -- \\\"\\$PWD\\\"\"; echo \"umask $(umask)\"; set +o\n"                                          \
        "echo \"# berth: all of it\"; } >/proc/self/fd/9 2>/dev/null; exit $_berth_status' EXIT\n"                  \
        ". /proc/self/fd/9 2>/dev/null\n"                                                                           \
        ": >/proc/self/fd/9\n"                                                                                      \
        "eval \"$1\""

bool session_id_valid(const char *id) {
        return *id && strlen(id) <= SESSION_ID_MAX && id[span_alnum(id, "-_")] == '\0';
}

void session_done(Session *session) {
        session->file_fd = close_fd(session->file_fd);
        session->state_fd = close_fd(session->state_fd);
        session->argv = strv_free(session->argv);
        free(session->path);
        *session = SESSION_NONE;
}

/* Shells whose words these are; for a user with another one it is /bin/sh. */
static const char *choose_shell(const User *user) {
        static const char *const known[] = { "sh", "bash", "dash", "ash" };
        const char *slash = strrchr(user->shell, '/');

        for (size_t i = 0; slash && i < ARRAY_LEN(known); i++)
                if (streq(slash + 1, known[i]))
                        return user->shell;
        return "/bin/sh";
}

static int make_argv(const User *user, char *const *words, char ***ret) {
        _cleanup_strv_ char **argv = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r;

        if (!f)
                return -ENOMEM;
        for (size_t i = 0; words[i]; i++)
                fprintf(f, "%s%s", i > 0 ? " " : "", words[i]);
        if (fclose(f) != 0)
                return -ENOMEM;
        r = strv_append(&argv, choose_shell(user));
        if (r >= 0)
                r = strv_append(&argv, "-c");
        if (r >= 0)
                r = strv_append(&argv, SCRIPT);
        if (r >= 0)
                r = strv_append(&argv, "berth-session");
        if (r >= 0)
                r = strv_append(&argv, text);
        if (r >= 0)
                *ret = TAKE_PTR(argv);
        return r;
}

static bool is_session(const char *name) {
        const char *id = startswith(name, SESSION_FILE_PREFIX);

        return id && session_id_valid(id);
}

/* Is there room for session path, in the container's directory? */
static int check_number(const char *name, const char *path) {
        _cleanup_free_ char *directory = NULL;
        _cleanup_strv_ char **names = NULL;
        int r;

        if (access(path, F_OK) == 0)
                return 0;
        if (asprintf(&directory, "%s/%s", BERTH_CONTAINER_DIR, name) < 0)
                return log_oom();
        r = directory_names(AT_FDCWD, directory, 0, is_session, &names);
        if (r < 0)
                return log_error_errno(r, "cannot read '%s': %m", directory);
        if (strv_length(names) < SESSIONS_MAX)
                return 0;
        return log_error_errno(ENOSPC, "container '%s' has %zu sessions; close some: berth session close",
                               name, strv_length(names));
}

/* Opens the file that keeps it, and locks it. */
static int open_file(const char *name, const char *id, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st, named;
        int r;

        r = check_number(name, path);
        if (r < 0)
                return r;
        fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return log_error_errno(errno, "cannot open session '%s' of container '%s': %m", id, name);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return log_error_errno(errno == EWOULDBLOCK ? EBUSY : errno,
                                       "session '%s' of container '%s' is busy with another call", id, name);
        /* another call has kept it anew, or it was closed, before we had it */
        if (fstat(fd, &st) < 0 || stat(path, &named) < 0 || st.st_ino != named.st_ino)
                return -ESTALE;
        return TAKE_FD(fd);
}

/* The first line of what is kept is ours, and says whose it is. */
static int check_owner(const char *text, const char *id, uid_t uid) {
        const char *number = startswith(text, "# uid ");

        if (*text == '\0')
                return 0;
        if (!number || strtoul(number, NULL, 10) != uid)
                return log_error_errno(
                                EPERM,
                                "session '%s' is of another user; another --session= or its own --user=",
                                id);
        return 0;
}

/* export NAME='VALUE' */
static int put_variables(FILE *f, char *const *env) {
        for (; env && *env; env++) {
                fprintf(f, "export %.*s='", (int) strcspn(*env, "="), *env);
                for (const char *p = strchr(*env, '=') + 1; *p; p++)
                        if (*p == '\'')
                                fputs("'\\''", f);
                        else
                                fputc(*p, f);
                fputs("'\n", f);
        }
        return ferror(f) ? -ENOMEM : 0;
}

/* The file in memory, with what is kept and what is new. */
static int make_state(const char *kept, char *const *env, uid_t owner) {
        _cleanup_close_ int fd = memfd_create("berth-session", MFD_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f;
        int r;

        if (fd < 0)
                return -errno;
        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fputs(kept, f);
        r = put_variables(f, env);
        if (fclose(f) != 0 || r < 0)
                return -ENOMEM;
        /* opened anew by its number: as the user's own */
        if (fchown(fd, owner, (gid_t) -1) < 0 || fchmod(fd, 0600) < 0)
                return -errno;
        r = write_fd(fd, text, size);
        if (r < 0)
                return r;
        r = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_EXTRA_FD + 1); /* out of the way of what it becomes */
        return r < 0 ? -errno : r;
}

int session_open(const char *name, const char *id, const User *user, char *const *words, char *const *env,
                 uid_t owner, Session *ret) {
        _cleanup_session_ Session session = SESSION_NONE;
        _cleanup_free_ char *kept = NULL;
        int r;

        session.uid = user->uid;
        if (asprintf(&session.path, "%s/%s/" SESSION_FILE_PREFIX "%s", BERTH_CONTAINER_DIR, name, id) < 0) {
                session.path = NULL;
                return log_oom();
        }
        do
                session.file_fd = r = open_file(name, id, session.path);
        while (r == -ESTALE);
        if (r < 0)
                return r;
        r = read_fd(session.file_fd, STATE_SIZE_MAX + 64, &kept, NULL);
        if (r >= 0 && !endswith(kept, LAST_LINE))
                *kept = '\0'; /* nothing yet, or half of it: a kill at the wrong moment */
        if (r >= 0) {
                r = check_owner(kept, id, user->uid);
                if (r < 0)
                        return r;
                session.state_fd = r = make_state(kept, env, owner);
        }
        if (r >= 0)
                r = make_argv(user, words, &session.argv);
        if (r < 0)
                return log_error_errno(r, "cannot read session '%s' of container '%s': %m", id, name);
        *ret = session;
        session = SESSION_NONE;
        return 0;
}

/* In the place of what was kept; locked before it is there, for the call lasts yet. */
static int replace_file(Session *session, const char *told, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *path = NULL;
        char first[32];
        int n = snprintf(first, sizeof(first), "# uid %u\n", session->uid), r;

        if (asprintf(&path, "%s" SESSION_NEW_SUFFIX, session->path) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        r = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : write_fd(fd, first, (size_t) n);
        if (r >= 0)
                r = write_fd(fd, told, size);
        if (r >= 0)
                r = rename(path, session->path) < 0 ? -errno : 0;
        if (r < 0)
                return (void) unlink(path), r;
        close_fd(session->file_fd);
        session->file_fd = TAKE_FD(fd);
        return 0;
}

int session_keep(Session *session) {
        _cleanup_free_ char *told = NULL;
        size_t size;
        int r;

        if (lseek(session->state_fd, 0, SEEK_SET) < 0)
                return -errno;
        r = read_fd(session->state_fd, STATE_SIZE_MAX, &told, &size);
        if (r == -EFBIG)
                return log_error_errno(
                                r, "the session has grown over 4 MiB; it stays as it was before this call");
        if (r < 0)
                return r;
        if (strlen(told) != size || !endswith(told, LAST_LINE))
                return 0; /* it was killed, or became another program */
        r = replace_file(session, told, size);
        return r == -ENOENT ? 0 : r; /* the container has ended, and its sessions with it */
}
