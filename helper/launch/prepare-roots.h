/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/launch/prepare.h"

/* Opens everything that a mount of the container is made of, while we still are the host's root in the host's namespaces:
 * the image or profile, what is shared of the host, /dev, /etc, the mounts of the plan, and the layer last, where one is
 * needed. Logs. */
int prepare_roots(Launch *launch);
