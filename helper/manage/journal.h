/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

/* Has journald take in what was written until now (its Synchronize(), as "journalctl --sync" calls it): a command that has
 * ended must not look as if it had written less. Without an answer there is what there is. */
void journal_synchronize(void);

/* Says something about a process, the leader of a container, in the journal of its unit (systemd.journal-fields(7),
 * OBJECT_PID=: from root). priority is one of syslog(3)'s. */
void journal_tell(pid_t pid, int priority, const char *text);
