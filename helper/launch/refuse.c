/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "common/contract.h"
#include "common/log.h"
#include "helper/container/notify.h"
#include "helper/verbs/verbs.h"

/* What the unit of a bad manifest runs in the place of launch: the journal gets every error, "systemctl status"
 * the first. */

/* Nobody listening is no failure: the journal has it all. */
static void notify_status(const char *message) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "STATUS=%s", message) < 0)
                return;
        /* A line break would begin another assignment of the protocol. */
        for (char *p = text; *p; p++)
                if (*p == '\n' || *p == '\r')
                        *p = ' ';
        (void) notify_send(0, text);
}

int verb_refuse(int argc _unused_, char *argv[]) {
        OptionParser parser = { .options = refuse_options, .argv = argv, .command = true };
        const char *value;

        for (;;)
                switch (options_next(&parser, &value)) {
                case REFUSE_NAME: /* for the eyes of "systemctl status" alone */
                        continue;
                case OPTIONS_HELP:
                        return verb_help("refuse");
                case OPTIONS_END:
                        for (char **message = parser.rest; *message; message++)
                                log_error("%s", *message);
                        if (parser.rest[0])
                                notify_status(parser.rest[0]);
                        return EXIT_BERTH;
                default:
                        return EXIT_BERTH;
                }
}
