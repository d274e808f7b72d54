/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator/workers.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/log.h"

#define WORKERS_MAX 4  /* more wait for each other: the kernel changes a directory for one at a time */
#define ITEMS_LEAST 64 /* for fewer, making workers takes longer than they save */
#define ITEMS_TAKEN 16 /* at a time; a worker that gets no CPU holds up no more than these */

/* What workers and their parent share. */
typedef struct Shared {
        atomic_size_t next;
        bool done[];
} Shared;

static size_t shared_size(size_t n) {
        return sizeof(Shared) + n * sizeof(bool);
}

void workers_done(Workers *w) {
        if (w->done)
                (void) munmap((char *) w->done - offsetof(Shared, done), shared_size(w->n));
        *w = (Workers){ 0 };
}

static unsigned count_workers(size_t n) {
        cpu_set_t cpus;

        if (n < ITEMS_LEAST)
                return 0;
        CPU_ZERO(&cpus);
        if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0) /* more CPUs than the set has room for */
                return WORKERS_MAX;
        return CPU_COUNT(&cpus) > 1 ? (unsigned) MIN(CPU_COUNT(&cpus), WORKERS_MAX) : 0;
}

static void work(const WorkersJob *job, Shared *shared, size_t n) {
        size_t i, end;

        if (!job->begin(job->data))
                return;
        while ((i = atomic_fetch_add(&shared->next, ITEMS_TAKEN)) < n)
                for (end = MIN(n, i + ITEMS_TAKEN); i < end; i++)
                        shared->done[i] = job->item(job->data, i);
}

/* Makes one worker. false: there is none, and the caller can do without. */
static bool start(const WorkersJob *job, Shared *shared, size_t n, pid_t *ret) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0) {
                /* If systemd's patience with the generator ends, so do its workers. */
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
                        work(job, shared, n);
                _exit(EXIT_SUCCESS);
        }
        *ret = pid;
        return pid > 0;
}

/* Waits for one worker. */
static int end(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return 0; /* children are not waited for here: it has ended and cannot be asked how */
        if (WIFSIGNALED(status))
                return log_error_errno(ECHILD, "A worker was ended by signal %d; its work is done again",
                                       WTERMSIG(status));
        if (WEXITSTATUS(status) != EXIT_SUCCESS)
                return log_error_errno(ECHILD, "A worker ended with status %d; its work is done again",
                                       WEXITSTATUS(status));
        return 0;
}

int workers_run(const WorkersJob *job, size_t n, Workers *ret) {
        unsigned wanted = count_workers(n), made = 0;
        pid_t pids[WORKERS_MAX];
        Shared *shared;
        int r = 0;

        *ret = (Workers){ 0 };
        if (wanted == 0)
                return 0;
        shared = mmap(NULL, shared_size(n), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
                return 0; /* without memory to share the caller does it all */
        while (made < wanted && start(job, shared, n, &pids[made]))
                made++;
        while (made > 0) {
                int k = end(pids[--made]);

                r = k < 0 ? k : r;
        }
        *ret = (Workers){ .done = shared->done, .n = n };
        return r;
}
