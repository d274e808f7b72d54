/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"
#include "helper/storage/extract.h"
#include "helper/text/progress.h"

/* A directory as a source of entries. */

/* Extracts what is in dir_fd, and what dir_fd itself is, following no link and crossing no mount. Logs. */
int tree_extract(int dir_fd, const char *what, Extract *x, Progress *progress);
