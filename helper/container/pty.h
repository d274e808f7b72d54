/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include "common/base.h"

/* Pseudo-terminals of a container, and the state of our own terminal. What lies at /dev/pts/ptmx inside is the
 * container's to choose (CVE-2025-52565), so it is looked at before it is opened. */

typedef struct Pty {
        int master_fd; /* non-blocking */
        int slave_fd;  /* what the command gets */
} Pty;

/* Allocates one in the container's own devpts, owned by owner (as the host counts), of that size. -ENOTTY: what the
 * container has there is no devpts. */
int pty_open(int root_fd, uid_t owner, const struct winsize *size, Pty *ret);

/* "ROWSxCOLS", each 1..65535. -EINVAL, -ERANGE. */
int pty_parse_size(const char *s, struct winsize *ret);

/* The size of the terminal fd; 24 x 80 where it is none or does not know. */
void pty_get_size(int fd, struct winsize *ret);

/* Our own terminal, put back as it was by terminal_restore(), on every way out. */
typedef struct Terminal {
        int fd; /* borrowed; negative: nothing to restore */
        struct termios saved;
} Terminal;

/* Keeps the settings of fd, if it is a terminal. */
void terminal_save(Terminal *terminal, int fd);

/* Every byte to the inner terminal, none to ours: cfmakeraw(3). Again after a stop, when the shell has reset it. */
int terminal_make_raw(const Terminal *terminal);
void terminal_restore(Terminal *terminal);
#define _cleanup_terminal_ _cleanup_(terminal_restore)
