/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* Finding an image: an ID below the image store or /var/lib/machines, or an absolute path. */

/* Opens the root directory of image, and checks that it can be a root: a directory, in which /dev, /proc, /sys and
 * /etc are no symbolic links (what is mounted there must not land elsewhere). Logs, naming image and remedy. */
int image_open(const char *image);
