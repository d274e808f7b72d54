/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

/* filter_default[] and five more */
#include "filter-programs.h"

static int load(const struct sock_filter *code, size_t n) {
        const struct sock_fprog program = {
                .len = (unsigned short) n,
                .filter = (struct sock_filter *) (uintptr_t) code,
        };

        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

int filter_load(const Filter *filter) {
        const struct {
                const struct sock_filter *code;
                size_t n;
        } programs[][2] = {
                { { filter_default, ARRAY_LEN(filter_default) },
                  { filter_default_restrict, ARRAY_LEN(filter_default_restrict) } },
                { { filter_network, ARRAY_LEN(filter_network) },
                  { filter_network_restrict, ARRAY_LEN(filter_network_restrict) } },
                { { filter_floor, ARRAY_LEN(filter_floor) },
                  { filter_floor_restrict, ARRAY_LEN(filter_floor_restrict) } },
        };
        const size_t i = filter->replaces ? 2 : filter->network ? 1 : 0;
        int r = load(programs[i][filter->restrict_suid_sgid].code,
                     programs[i][filter->restrict_suid_sgid].n);

        if (r < 0 || filter->size == 0)
                return r;
        return load(filter->program, filter->size / sizeof(struct sock_filter));
}
