/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* The launcher's word to the leader with descriptors that were opened after the clone: what the leader does not wait for
 * yet is made while it makes its network. Over a stream socket, between two processes of one program. Does not log. */

#define HAND_OVER_MAX 8

/* Sends word, and those of the n descriptors that are not negative. */
int hand_over_send(int socket_fd, char word, const int *fds, size_t n);

/* Waits for word and fills fds as they were given, the receiver's to close. -ECONNRESET: another word, or the launcher
 * has died. */
int hand_over_receive(int socket_fd, char word, int *fds, size_t n);
