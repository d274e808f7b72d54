/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base.h"

/* What the kernel has counted for a control group and all below it (cgroup-v2.rst, "Interface Files"). */

#define FIGURE_NONE UINT64_MAX /* nobody counts it here: no such controller, or an older kernel */

typedef struct Figures {
        uint64_t cpu_usec;
        uint64_t memory_peak;       /* bytes */
        uint64_t io_read, io_write; /* bytes, of block devices */
        uint64_t oom_kills;         /* members that the OOM killer has ended */
        uint64_t pids_refused;      /* times that a limit on tasks has refused one */
} Figures;

#define FIGURES_NONE                                                                         \
        (Figures) {                                                                          \
                FIGURE_NONE, FIGURE_NONE, FIGURE_NONE, FIGURE_NONE, FIGURE_NONE, FIGURE_NONE \
        }

void figures_read(int cgroup_fd, Figures *ret);

/* The last of them alone. */
uint64_t figures_pids_refused(int cgroup_fd);
