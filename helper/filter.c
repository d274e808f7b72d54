/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

/* filter_default[] and filter_restrict_suid_sgid[] */
#include "filter-programs.h"

int filter_load(bool restrict_suid_sgid) {
        const struct sock_fprog program = {
                .len = (unsigned short) (restrict_suid_sgid ? ARRAY_LEN(filter_restrict_suid_sgid)
                                                            : ARRAY_LEN(filter_default)),
                .filter = (struct sock_filter *) (uintptr_t) (restrict_suid_sgid ? filter_restrict_suid_sgid
                                                                                 : filter_default),
        };

        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}
