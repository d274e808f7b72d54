/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/pty.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/fs.h"
#include "common/parse.h"
#include "helper/container/mount.h"

#define PTMX_INODE 2 /* in every devpts instance, as libpathrs and runc check it */

/* Opens the multiplexer of the container's devpts. First as a mere name, which no driver sees, then what was looked
 * at and nothing else: through the descriptor. /proc is the host's, we have joined nothing yet. */
static int open_ptmx(int root_fd) {
        _cleanup_close_ int fd = -EBADF;
        char path[64];
        struct stat st;
        int master_fd;

        fd = open_in_root(root_fd, "dev/pts/ptmx", O_PATH | O_NOFOLLOW);
        if (fd < 0)
                return fd;
        if (!mount_is(fd, DEVPTS_SUPER_MAGIC))
                return -ENOTTY;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISCHR(st.st_mode) || st.st_ino != PTMX_INODE || st.st_rdev != makedev(5, 2))
                return -ENOTTY;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        master_fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        return master_fd < 0 ? -errno : master_fd;
}

int pty_open(int root_fd, uid_t owner, const struct winsize *size, Pty *ret) {
        _cleanup_close_ int master_fd = -EBADF, slave_fd = -EBADF;
        int unlock = 0;

        master_fd = open_ptmx(root_fd);
        if (master_fd < 0)
                return master_fd;
        if (ioctl(master_fd, TIOCSPTLCK, &unlock) < 0)
                return -errno;
        /* Never by name: what is at /dev/pts/N could be something else. ioctl_tty(2), TIOCGPTPEER */
        slave_fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave_fd < 0)
                return -errno;
        if (fchown(slave_fd, owner, (gid_t) -1) < 0)
                return -errno;
        if (ioctl(master_fd, TIOCSWINSZ, size) < 0)
                return -errno;
        *ret = (Pty){ .master_fd = TAKE_FD(master_fd), .slave_fd = TAKE_FD(slave_fd) };
        return 0;
}

int pty_parse_size(const char *s, struct winsize *ret) {
        _cleanup_free_ char *rows = strdup(s);
        uint32_t n[2];
        char *columns;
        int r;

        if (!rows)
                return -ENOMEM;
        columns = strchr(rows, 'x');
        if (!columns)
                return -EINVAL;
        *columns++ = '\0';
        r = parse_uint32(rows, &n[0]);
        if (r >= 0)
                r = parse_uint32(columns, &n[1]);
        if (r < 0)
                return r;
        if (n[0] < 1 || n[1] < 1 || n[0] > UINT16_MAX || n[1] > UINT16_MAX)
                return -ERANGE;
        *ret = (struct winsize){ .ws_row = (unsigned short) n[0], .ws_col = (unsigned short) n[1] };
        return 0;
}

void pty_get_size(int fd, struct winsize *ret) {
        if (ioctl(fd, TIOCGWINSZ, ret) < 0 || ret->ws_row == 0 || ret->ws_col == 0)
                *ret = (struct winsize){ .ws_row = 24, .ws_col = 80 };
}

void terminal_save(Terminal *terminal, int fd) {
        terminal->fd = tcgetattr(fd, &terminal->saved) < 0 ? -EBADF : fd;
}

int terminal_make_raw(const Terminal *terminal) {
        struct termios raw = terminal->saved;

        if (terminal->fd < 0)
                return 0;
        cfmakeraw(&raw);
        /* Now, not once the output is drained: that could wait for a terminal that was stopped by hand. */
        return tcsetattr(terminal->fd, TCSANOW, &raw) < 0 ? -errno : 0;
}

void terminal_restore(Terminal *terminal) {
        if (terminal->fd >= 0)
                (void) tcsetattr(terminal->fd, TCSANOW, &terminal->saved);
        terminal->fd = -EBADF;
}
