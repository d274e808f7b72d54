/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Processes that an import starts: they are killed and waited for when it is told to end. */

/* Blocks the signals that ask us to end, and opens a descriptor that can be read once there is one. */
int child_open_signals(void);

/* In the child: it takes signals again. */
void child_reset_signals(void);

/* Waits for the end of a child, and kills it first if signal_fd has something. Returns how it ended as wait(2) has it,
 * -EINTR if we were told to end, or another negative errno. Logs. */
int child_wait(int pidfd, int signal_fd);
