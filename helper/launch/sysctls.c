/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/sysctls.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/sysctl.h"
#include "helper/container/state.h"

static int write_one(const char *assignment, uid_t root) {
        size_t n = strcspn(assignment, "=");
        _cleanup_free_ char *path = NULL, *key = strndup(assignment, n);
        int r;

        if (!key)
                return log_oom();
        for (char *p = key; *p; p++)
                if (*p == '.')
                        *p = '/';
        if (asprintf(&path, "/proc/sys/%s", key) < 0)
                return log_oom();
        r = write_string_at(AT_FDCWD, path, assignment + n + 1);
        /* Those of IPC may be the namespace's own root's alone: the host's root is refused on 6.18 (tried). */
        if ((r == -EACCES || r == -EPERM) && root != 0) {
                if (seteuid(root) < 0)
                        return log_error_errno(errno, "cannot become the container's root: %m");
                r = write_string_at(AT_FDCWD, path, assignment + n + 1);
                if (seteuid(0) < 0)
                        return log_error_errno(errno, "cannot become root again: %m");
        }
        if (r == -ENOENT)
                return log_error_errno(
                                r,
                                "sysctl '%.*s': this kernel has none of that name in a network or IPC namespace",
                                (int) n, assignment);
        return r < 0 ? log_error_errno(r, "sysctl '%.*s': the kernel does not take '%s': %m", (int) n,
                                       assignment, assignment + n + 1)
                     : 0;
}

static int write_all(int leader_pidfd, uid_t root, char *const *sysctls, bool network) {
        uint64_t hosts, joined;
        int r = state_namespace(getpid(), "net", &hosts);

        if (r >= 0 && setns(leader_pidfd, CLONE_NEWIPC | (network ? CLONE_NEWNET : 0)) < 0)
                r = -errno;
        if (r >= 0)
                r = state_namespace(getpid(), "net", &joined);
        if (r < 0)
                return log_error_errno(r, "cannot join the container's namespaces for its sysctls: %m");
        network = network && joined != hosts; /* a leader that has not got its own yet has the host's */
        for (; *sysctls; sysctls++) {
                r = -EPERM;

                /* Looked at once more: here it would be the host's. */
                if (network || !startswith(*sysctls, "net."))
                        r = write_one(*sysctls, root);
                else
                        log_error("sysctl '%s': the network is not the container's own", *sysctls);
                if (r < 0)
                        return r;
        }
        return 0;
}

int sysctls_write(int leader_pidfd, uid_t root, char *const *sysctls, bool network) {
        siginfo_t info = {};
        pid_t pid;

        if (!sysctls || !*sysctls)
                return 0;
        pid = fork();
        if (pid < 0)
                return log_error_errno(errno, "cannot make a process: %m");
        if (pid == 0)
                _exit(write_all(leader_pidfd, root, sysctls, network) < 0);
        while (waitid(P_PID, (id_t) pid, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return log_error_errno(errno, "cannot wait: %m");
        return info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : -ECANCELED; /* it has logged why */
}
