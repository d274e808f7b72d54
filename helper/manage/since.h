/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Points in time as journalctl's --since= takes them, the forms of systemd.time(7) that people type:
 * "2026-11-23 04:05:06", the seconds or the whole time left out, "04:05", "now", "today", "yesterday", "5min ago",
 * "-5min", "@1700000000". In local time. now_usec: CLOCK_REALTIME. 0, or -EINVAL. */
int since_parse(const char *s, uint64_t now_usec, uint64_t *ret_usec);
