/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <syslog.h>

#include "common/base.h"

/* One failure, one line. Lines go to stderr; where that is the journal they carry sd-daemon(3)'s "<N>"
 * prefix, and nowhere else. A generator's lines go to /dev/kmsg as well (systemd.generator(7)).
 * The innermost function that knows the user's words logs and returns; its callers pass the value on. */

/* Sets the tag of kmsg records and opens /dev/kmsg; without it only stderr is written. */
void log_to_kmsg(const char *tag);

/* From here on nothing is written: for a process whose parent finds and tells the same. */
void log_mute(void);

/* Standard error is about to become a pipe that leads to where it leads now: records keep the level that the journal
 * reads there. */
void log_keep_levels(void);

/* Writes one line. Returns -abs(error), so that one line both reports and returns; %m prints error. */
int log_full(int level, int error, const char *format, ...) _printf_(3, 4);

#define log_debug(...)            ((void) log_full(LOG_DEBUG, 0, __VA_ARGS__))
#define log_info(...)             ((void) log_full(LOG_INFO, 0, __VA_ARGS__))
#define log_warning(...)          ((void) log_full(LOG_WARNING, 0, __VA_ARGS__))
#define log_error(...)            ((void) log_full(LOG_ERR, 0, __VA_ARGS__))
#define log_warning_errno(e, ...) log_full(LOG_WARNING, e, __VA_ARGS__)
#define log_error_errno(e, ...)   log_full(LOG_ERR, e, __VA_ARGS__)
#define log_oom()                 log_full(LOG_ERR, ENOMEM, "Out of memory")
