/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/descriptors.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>

#include "common/log.h"
#include "helper/container/mount.h"

static const char *const names[] = { "standard input", "standard output", "standard error" };

int stdio_fill(void) {
        for (int fd = 0; fd <= 2; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) /* the lowest free number */
                        return log_error_errno(errno, "cannot open /dev/null: %m");
        return 0;
}

bool stdio_wants_tty(TtyMode mode) {
        return mode == TTY_AUTO ? isatty(0) && isatty(1) : mode == TTY_YES;
}

void stdio_close_inside(Stdio *stdio) {
        for (int i = 0; i < 3; i++) {
                int fd = stdio->inside[i];

                stdio->inside[i] = -EBADF;
                if (fd <= 2 || fd == stdio->relay.slave_fd)
                        continue;
                close_fd(fd);
        }
}

void stdio_done(Stdio *stdio) {
        terminal_restore(&stdio->terminal);
        stdio_close_inside(stdio);
        stdio->input_fd = close_fd(stdio->input_fd);
        for (size_t i = 0; i < ARRAY_LEN(stdio->output); i++)
                stdio->output[i] = close_fd(stdio->output[i]);
        relay_done(&stdio->relay);
}

/* Has to copied in: from the file that was asked for, or from our standard input. */
static int copy_in(Stdio *stdio, int to_fd, bool own_to) {
        int fd = stdio->input_fd >= 0 ? stdio->input_fd : STDIN_FILENO;
        int r = relay_add(&stdio->relay, fd, to_fd, /* own_from= */ fd == stdio->input_fd, own_to,
                          /* input= */ true);

        if (r >= 0)
                stdio->input_fd = -EBADF; /* the relay's */
        return r;
}

/* The command's end of a pipe whose other end is copied from or to what is to be descriptor i, or kept where that is
 * wanted. */
static int add_pipe(Stdio *stdio, int i, bool collect) {
        _cleanup_close_ int read_fd = -EBADF, write_fd = -EBADF;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return log_error_errno(errno, "cannot make a pipe: %m");
        read_fd = fds[0];
        write_fd = fds[1];
        if (collect) {
                stdio->output[i - 1] = TAKE_FD(read_fd);
                stdio->inside[i] = TAKE_FD(write_fd);
                return 0;
        }
        if (i == 0)
                r = copy_in(stdio, write_fd, /* own_to= */ true);
        else
                r = relay_add(&stdio->relay, read_fd, i, /* own_from= */ true, /* own_to= */ false,
                              /* input= */ false);
        if (r < 0)
                return log_error_errno(r, "cannot copy %s: %m", names[i]);
        if (i == 0) {
                (void) TAKE_FD(write_fd);
                stdio->inside[i] = TAKE_FD(read_fd);
        } else {
                (void) TAKE_FD(read_fd);
                stdio->inside[i] = TAKE_FD(write_fd);
        }
        return 0;
}

/* Opening /dev/stdout, as many programs do, opens a pipe anew: as its owner only. A FIFO on disk keeps its owner; one
 * without a name is nobody else's business. */
static int give_pipe(const Stdio *stdio, int i, uid_t owner, gid_t group) {
        if (mount_is(stdio->inside[i], PIPEFS_MAGIC) && fchown(stdio->inside[i], owner, group) < 0)
                return log_error_errno(errno, "cannot give %s to the command's user: %m", names[i]);
        return 0;
}

/* Is descriptor i a file (a device, a FIFO) over which root of the container has rights? Pipes without a name and sockets
 * are nobody else's. A file that all may write to may be out of the container's reach. */
static bool is_theirs(const StdioPlan *plan, int i, const struct stat *st) {
        bool common = (st->st_mode & S_IWOTH) && !S_ISCHR(st->st_mode);

        if (!common && plan->uid_count > 0 && st->st_uid - plan->uid_base >= plan->uid_count &&
            st->st_gid - plan->uid_base >= plan->uid_count)
                return false;
        return !S_ISSOCK(st->st_mode) && !(S_ISFIFO(st->st_mode) && mount_is(i, PIPEFS_MAGIC));
}

/* Whoever has that in hand can clear O_APPEND (fcntl(2)), and truncate and rewrite what others have written there. */
static bool is_writable_file(const struct stat *st, int flags) {
        return S_ISREG(st->st_mode) && (flags & O_ACCMODE) != O_RDONLY;
}

/* Where both are one file, what is written keeps its order. */
static int share_output(Stdio *stdio, const struct stat *st) {
        struct stat other;

        if (stdio->inside[1] == 1 || fstat(1, &other) < 0 || other.st_dev != st->st_dev ||
            other.st_ino != st->st_ino)
                return 0;
        stdio->inside[2] = fcntl(stdio->inside[1], F_DUPFD_CLOEXEC, 3);
        return stdio->inside[2] < 0 ? log_error_errno(errno, "cannot copy %s: %m", names[2]) : 1;
}

/* Decides about descriptor i, one of 0, 1, 2. */
static int add_plain(Stdio *stdio, const StdioPlan *plan, int i, bool collect, uid_t owner, gid_t group) {
        struct stat st;
        int r, flags;

        if (collect || (i == 0 && stdio->input_fd >= 0)) {
                r = add_pipe(stdio, i, collect);
                return r < 0 ? r : give_pipe(stdio, i, owner, group);
        }
        flags = fcntl(i, F_GETFL);
        if (flags < 0 || fstat(i, &st) < 0)
                return log_error_errno(errno, "cannot look at %s: %m", names[i]);
        /* Both would let the command walk the host's tree: fchdir(2), openat(2) */
        if (S_ISDIR(st.st_mode) || (flags & O_PATH))
                return log_error_errno(EINVAL,
                                       "%s is a directory or an O_PATH descriptor: refusing to hand it in",
                                       names[i]);
        /* Nor could a socket be opened anew, and the journal's is one (ENXIO, unix(7)). */
        if ((S_ISCHR(st.st_mode) && isatty(i)) || (S_ISSOCK(st.st_mode) && i > 0) ||
            is_writable_file(&st, flags) || is_theirs(plan, i, &st)) {
                r = i == 2 && S_ISREG(st.st_mode) ? share_output(stdio, &st) : 0;
                if (r == 0)
                        r = add_pipe(stdio, i, /* collect= */ false);
                if (r < 0)
                        return r;
        }
        if (S_ISFIFO(st.st_mode) || stdio->inside[i] != i)
                return give_pipe(stdio, i, owner, group);
        return 0;
}

static int add_terminal(Stdio *stdio, int root_fd, uid_t owner, const struct winsize *size) {
        struct winsize own;
        Pty pty;
        int r;

        if (!size) {
                pty_get_size(isatty(0) ? 0 : 1, &own);
                size = &own;
                stdio->follow_size = true;
        }
        r = pty_open(root_fd, owner, size, &pty);
        if (r < 0)
                return log_error_errno(r, "cannot allocate a terminal from the container's /dev/pts (%m); "
                                          "-T runs the command without one");
        stdio->relay.master_fd = pty.master_fd;
        stdio->relay.slave_fd = stdio->inside[0] = stdio->inside[1] = pty.slave_fd;
        r = copy_in(stdio, pty.master_fd, /* own_to= */ false);
        if (r >= 0)
                r = relay_add(&stdio->relay, pty.master_fd, 1, /* own_from= */ false, /* own_to= */ false,
                              /* input= */ false);
        if (r < 0)
                return log_error_errno(r, "cannot copy to and from the terminal: %m");
        return 0;
}

/* The content alone is handed in: as a descriptor it would be a way to the file, to be opened anew for writing. */
static int open_input(Stdio *stdio, const char *path) {
        struct stat st;

        if (!path || streq(path, "-"))
                return 0;
        stdio->input_fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        if (stdio->input_fd < 0 || fstat(stdio->input_fd, &st) < 0)
                return log_error_errno(errno, "--input: cannot open '%s': %m", path);
        if (S_ISDIR(st.st_mode))
                return log_error_errno(EISDIR, "--input: '%s' is a directory", path);
        return 0;
}

int stdio_open(Stdio *stdio, const StdioPlan *plan, int root_fd, uid_t owner, gid_t group) {
        int r;

        stdio->tty = plan->tty;
        r = open_input(stdio, plan->input);
        if (r < 0)
                return r;
        if (plan->tty) {
                r = add_terminal(stdio, root_fd, owner, plan->size);
                if (r < 0)
                        return r;
                if (!isatty(2)) /* as asked for: 2>errors.log */
                        return add_plain(stdio, plan, 2, /* collect= */ false, owner, group);
                stdio->inside[2] = stdio->relay.slave_fd;
                return 0;
        }
        for (int i = 0; i < 3; i++) {
                r = add_plain(stdio, plan, i, plan->collect && i > 0, owner, group);
                if (r < 0)
                        return r;
        }
        return 0;
}

void stdio_resize(const Stdio *stdio) {
        struct winsize size;

        if (stdio->follow_size && ioctl(isatty(0) ? 0 : 1, TIOCGWINSZ, &size) == 0)
                (void) ioctl(stdio->relay.master_fd, TIOCSWINSZ, &size); /* SIGWINCH for those inside */
}
