/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/launch/root.h"

/* What procfs and sysfs let the host's root write or read, wherever it runs: closed where uid 0 inside is that root. */

/* Makes read-only or hides it in the root, once /proc, /sys and /dev are attached. What the kernel does not have needs
 * no closing. Logs. */
int mask_kernel(Root *root);
