/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a command some times, one after the other, and prints a line for each: wall time and processor time in
 * microseconds. The processor time is that of a control group, so that nobody's is lost: not that of processes which
 * nobody waits for, nor of those that the command puts into groups below.
 *
 *   turns CGROUP ROUNDS COMMAND...    runs COMMAND in the group "run" below CGROUP */

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double wall(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

/* cgroup-v2.txt: usage_usec is the first line of cpu.stat, with or without the controller. */
static long processor(int cgroup_fd) {
        char text[128] = "";
        int fd = openat(cgroup_fd, "cpu.stat", O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || strncmp(text, "usage_usec ", 11) != 0) {
                fprintf(stderr, "turns: cannot read cpu.stat: %s\n", strerror(errno));
                exit(1);
        }
        close(fd);
        return atol(text + 11);
}

static pid_t start(int cgroup_fd, char *argv[]) {
        struct clone_args args = { .flags = CLONE_INTO_CGROUP,
                                   .exit_signal = SIGCHLD,
                                   .cgroup = (uint64_t) cgroup_fd };
        pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));

        if (pid == 0) {
                execv(argv[0], argv);
                _exit(127);
        }
        return pid;
}

int main(int argc, char *argv[]) {
        int cgroup_fd = argc > 3 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        int run_fd = openat(cgroup_fd, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (run_fd < 0) {
                fprintf(stderr, "usage: turns CGROUP ROUNDS COMMAND...\n");
                return 2;
        }
        for (int left = atoi(argv[2]); left > 0; left--) {
                long processor_before = processor(cgroup_fd);
                double wall_before = wall(), wall_after;
                pid_t pid = start(run_fd, argv + 3);
                int status;

                if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
                        fprintf(stderr, "turns: %s failed: status 0x%x\n", argv[3], status);
                        return 1;
                }
                wall_after = wall();
                printf("%.0f %ld\n", wall_after - wall_before, processor(cgroup_fd) - processor_before);
        }
        return 0;
}
