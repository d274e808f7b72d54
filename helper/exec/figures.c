/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/exec/figures.h"

#include "common/fs.h"
#include "common/parse.h"

#define FILE_SIZE_MAX (1024 * 1024)

/* The sum of the numbers behind each key in words and lines: "KEY N" or "KEY=N"; of the whole file where key is
 * NULL. FIGURE_NONE without the file. */
static uint64_t sum(int cgroup_fd, const char *file, const char *key) {
        _cleanup_free_ char *text = NULL;
        uint64_t all = 0, value;
        char *rest, *word, *last = NULL;

        if (read_file_at(cgroup_fd, file, FILE_SIZE_MAX, &text, NULL) < 0)
                return FIGURE_NONE;
        for (rest = text; (word = strsep(&rest, " =\n"));) {
                if ((!key || (last && streq(last, key))) && parse_uint64(word, &value) >= 0)
                        all += value;
                last = word;
        }
        return all;
}

uint64_t figures_pids_refused(int cgroup_fd) {
        return sum(cgroup_fd, "pids.events", "max");
}

void figures_read(int cgroup_fd, Figures *ret) {
        *ret = (Figures){
                .cpu_usec = sum(cgroup_fd, "cpu.stat", "usage_usec"),
                .memory_peak = sum(cgroup_fd, "memory.peak", NULL),
                .io_read = sum(cgroup_fd, "io.stat", "rbytes"),
                .io_write = sum(cgroup_fd, "io.stat", "wbytes"),
                .oom_kills = sum(cgroup_fd, "memory.events", "oom_kill"),
                .pids_refused = figures_pids_refused(cgroup_fd),
        };
}
