/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generator/manifest.h"
#include "generator/text.h"

/* The command lines of a service, in the spelling of common/contract.h. Hides which key becomes which option,
 * and the kernel's and systemd's bounds. */

/* Appends the words behind "berth launch" to line, blank first. What is too long goes to m->diags. 0 or
 * -ENOMEM. */
int command_launch(Manifest *m, Text *line);

/* Appends those behind "berth cleanup", the hook for a failure included. As above. */
int command_cleanup(Manifest *m, Text *line);

/* Appends the words behind "berth" of what a reload runs, verb first; nothing where there is none. As above. */
int command_reload(Manifest *m, Text *line);

/* Appends those behind "berth unheard"; nothing where the signal of a stop reaches whatever command, or none is sent. As above. */
int command_unheard(Manifest *m, Text *line);

/* Appends those behind "berth refuse": every error of m, which is sorted. 0 or -ENOMEM. */
int command_refuse(const Manifest *m, Text *line);

/* Writes "FILE:LINE: message", cut to size bytes with its NUL, between characters. */
#define COMMAND_MESSAGE_SIZE 900
void command_message(const Manifest *m, const Diag *diag, char ret[static COMMAND_MESSAGE_SIZE]);
