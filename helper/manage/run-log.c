/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <systemd/sd-journal.h>

#include "common/log.h"
#include "helper/manage/journal.h"
#include "helper/manage/run.h"

/* Why a unit did not start stands in the journal, and whoever ran it wants to read it here. */

int run_log_manager(int r, const char *what, const char *unit, const char *error) {
        if (error)
                return log_error_errno(r, "cannot %s '%s': %s", what, unit, error);
        return log_error_errno(r, "cannot %s '%s': %m", what, unit);
}

/* The container's own lines are in the journal of its user ids, not in the system's. Others of this name have said
 * something before. */
void run_log_errors(const char *unit, uint64_t since_usec) {
        sd_journal *journal = NULL;
        char match[256];
        int r;

        journal_synchronize();
        r = sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);
        snprintf(match, sizeof(match), "_SYSTEMD_UNIT=%s", unit);
        if (r >= 0)
                r = sd_journal_add_match(journal, match, 0);
        if (r >= 0)
                r = sd_journal_add_match(journal, "PRIORITY=3", 0);
        if (r >= 0)
                r = sd_journal_seek_realtime_usec(journal, since_usec);
        while (r >= 0 && sd_journal_next(journal) > 0) {
                const void *data;
                size_t size, n = strlen("MESSAGE=");

                if (sd_journal_get_data(journal, "MESSAGE", &data, &size) >= 0 && size > n)
                        log_error("%.*s", (int) (size - n), (const char *) data + n);
        }
        sd_journal_close(journal);
}
