/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/container/command.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/contract.h"
#include "common/strv.h"

int command_exec(char *const argv[], char *const env[]) {
        const char *path = strv_env_get(env, "PATH");
        char candidate[PATH_MAX];
        int r = -ENOENT;

        if (argv[0][0] == '\0')
                return -ENOENT;
        if (strchr(argv[0], '/')) {
                execve(argv[0], argv, env);
                return -errno;
        }
        for (const char *p = path ? path : DEFAULT_PATH; *p; p += *p == ':') {
                size_t n = strcspn(p, ":");
                int k;

                k = snprintf(candidate, sizeof(candidate), "%.*s%s%s", (int) n, p, n > 0 ? "/" : "",
                             argv[0]);
                p += n;
                if (k < 0 || (size_t) k >= sizeof(candidate))
                        continue;
                execve(candidate, argv, env);
                if (errno == EACCES)
                        r = -EACCES; /* go on, but remember: execvp(3) */
                else if (errno != ENOENT && errno != ENOTDIR)
                        return -errno;
        }
        return r;
}

int command_exit_status(int error) {
        error = abs(error);
        return error == ENOENT || error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

int command_chdir(const char *path) {
        char reached[PATH_MAX];
        long n;

        if (chdir(path) < 0)
                return -errno;
        /* The system call, as getcwd(3) would try harder: it is to say "(unreachable)/..." */
        n = syscall(SYS_getcwd, reached, sizeof(reached));
        if (n < 0)
                return -errno;
        return reached[0] == '/' ? 0 : -ENOENT;
}

void command_rename(char **argv, const char *title) {
        size_t last = strv_length(argv) - 1;
        char *first = argv[0], *end = argv[last] + strlen(argv[last]);

        /* execve(2) lays the words out in one piece, one after the other */
        memset(first, 0, (size_t) (end - first));
        memcpy(first, title, MIN((size_t) (end - first), strlen(title) + 1));
        (void) prctl(PR_SET_NAME, title, 0, 0, 0);
}

pid_t command_fork(void) {
        pid_t parent = getpid(), pid;

        fflush(NULL);
        pid = fork();
        /* prctl(2): what it asks for is the end to come, not one that came before */
        if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent))
                _exit(EXIT_FAILURE);
        return pid < 0 ? -errno : pid;
}
