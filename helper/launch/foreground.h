/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* --foreground: the launcher stays, and nobody else releases what lives outside of the leader. So what would end it ends
 * the leader instead. */

/* From here on signals wait, at most until foreground_attend(). */
void foreground_begin(void);

/* The signal that asks for an end and has come meanwhile, which it takes, or 0. */
int foreground_asked(void);

/* Waits for the end of the process of pidfd, and passes on to it what is sent to this process. The exit status that tells
 * of it. */
int foreground_attend(int pidfd);
