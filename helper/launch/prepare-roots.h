/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/launch/prepare.h"

/* Opens what mounts of the container are made of and is there already: the image or profile, what is shared of the host,
 * the mounts of the plan. Logs. */
int prepare_roots(Launch *launch);

/* The next two make what is of this start. The leader is there already, and gets it by hand_over_send(). Both log. */

/* A tmpfs for files of /etc, empty, and the layer, where one is needed. */
int prepare_own(Launch *launch);

/* /dev, filled, and an empty tmpfs for each of /dev/shm and, where the root cannot be written, /run and /tmp. Those are made
 * here, and not by the leader whose they are inside: nobody there can change their limits. */
int prepare_memory(Launch *launch);
