/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Has journald take in what was written until now (its Synchronize(), as "journalctl --sync" calls it): a command that has
 * ended must not look as if it had written less. Without an answer there is what there is. */
void journal_synchronize(void);
