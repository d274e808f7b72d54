/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Signals by name, as signal(7), systemd and the images' metadata write them. */

/* "SIGTERM", "TERM", "15", "SIGRTMIN+3", "RTMAX-1". 0 and its number, or -EINVAL. */
int signal_parse(const char *s, int *ret);

/* The name as systemd reads it, "SIGTERM" or "SIGRTMIN+3". number came from signal_parse(). */
#define SIGNAL_NAME_SIZE 24
void signal_format(int number, char ret[static SIGNAL_NAME_SIZE]);
