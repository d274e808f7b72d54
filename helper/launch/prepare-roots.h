/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/launch/prepare.h"

/* Opens what mounts of the container are made of and is there already: the image or profile, what is shared of the host,
 * the mounts of the plan. Logs. */
int prepare_roots(Launch *launch);

/* Makes what is of this start: tmpfs for /dev and /etc, and the layer, where one is needed. The leader is there already, and
 * at work on its network; it gets them by hand_over_send(). Logs. */
int prepare_own(Launch *launch);
