/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a program step by step, and the processes that it clones until they execute another, and prints what of its
 * file they ran: a line "PROCESS OFFSET TIMES" for each instruction, processes by number from 0 on, in the order of
 * their start. For x86-64.
 *
 *   steps PROGRAM ARGUMENT...
 *
 * What an exec runs that helper/berth.ld does not put among the first:
 *
 *   steps build/helper/berth exec NAME -- /bin/true | awk '{print "0x" $2}' | addr2line -pfe build/helper/berth | sort -u */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 8
#define SIZE      (4 << 20) /* of the program */

static unsigned times[PROCESSES][SIZE];

static void fail(const char *what) {
        fprintf(stderr, "steps: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* Where the program's file begins in memory. */
static unsigned long base_of(pid_t pid, const char *program) {
        char path[64], line[4352], file[4096];
        unsigned long address;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/maps", pid);
        f = fopen(path, "r");
        if (!f || !realpath(program, file))
                fail(program);
        while (fgets(line, sizeof(line), f))
                if (strstr(line, file) && sscanf(line, "%lx", &address) == 1) {
                        fclose(f);
                        return address;
                }
        fail(program);
        return 0;
}

static int number_of(pid_t pid) {
        static pid_t pids[PROCESSES];
        int i;

        for (i = 0; i < PROCESSES && pids[i] != pid; i++)
                if (pids[i] == 0)
                        pids[i--] = pid;
        return i;
}

int main(int argc, char *argv[]) {
        unsigned long base;
        int status;
        pid_t pid;

        if (argc < 2) {
                fprintf(stderr, "usage: see the head of steps.c\n");
                return 2;
        }
        pid = fork();
        if (pid == 0) {
                ptrace(PTRACE_TRACEME, 0, 0, 0);
                execv(argv[1], argv + 1);
                _exit(127);
        }
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
            ptrace(PTRACE_SETOPTIONS, pid, 0,
                   PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC) < 0)
                fail(argv[1]);
        base = base_of(pid, argv[1]);
        for (; pid > 0; pid = waitpid(-1, &status, __WALL)) {
                int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : 0, number = number_of(pid);
                struct user_regs_struct registers;

                if (!WIFSTOPPED(status) || number == PROCESSES)
                        continue;
                if (status >> 16 == PTRACE_EVENT_EXEC) {
                        ptrace(PTRACE_DETACH, pid, 0, 0);
                        continue;
                }
                if (ptrace(PTRACE_GETREGS, pid, 0, &registers) == 0 && registers.rip - base < SIZE)
                        times[number][registers.rip - base]++;
                ptrace(PTRACE_SINGLESTEP, pid, 0, signal == SIGTRAP || signal == SIGSTOP ? 0 : signal);
        }
        for (int i = 0; i < PROCESSES; i++)
                for (unsigned at = 0; at < SIZE; at++)
                        if (times[i][at] > 0)
                                printf("%d %x %u\n", i, at, times[i][at]);
        return 0;
}
