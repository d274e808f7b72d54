/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/launch/init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/contract.h"
#include "helper/launch/streams.h"

/* A page: POLLOUT on a pipe promises room for PIPE_BUF bytes, so that writing this much never blocks. */
#define CHUNK 4096

/* How long a reader may take over the next chunk once the command has ended. */
#define DRAIN_TIMEOUT_MS 30000

int init_block_signals(void) {
        sigset_t all;

        sigfillset(&all);
        return sigprocmask(SIG_SETMASK, &all, NULL) < 0 ? -errno : 0;
}

static int open_stream(int fd, const User *user, int *ret_from, int *ret_to) {
        struct stat st;
        int ends[2];

        /* a terminal is to be one inside as well */
        if (fstat(fd, &st) < 0 || stream_is_null(&st) || isatty(fd))
                return 0;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        *ret_from = ends[0];
        *ret_to = ends[1];
        /* pipe(7): opening /proc/self/fd/N again asks for the inode's permission, which is its owner's alone */
        if (fchown(ends[1], user->uid, user->gid) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return 0;
}

int init_open_streams(const User *user, InitStreams *ret) {
        *ret = (InitStreams){ .from = { -EBADF, -EBADF }, .to = { -EBADF, -EBADF } };
        for (size_t i = 0; i < 2; i++) {
                int r = open_stream(STDOUT_FILENO + (int) i, user, &ret->from[i], &ret->to[i]);

                ret->calm[i] = calm_begin(STDOUT_FILENO + (int) i);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Copies what is there, at most one chunk and max bytes. Returns their number; negative: the end. */
static ssize_t copy_chunk(int from, int to, Calm *calm, size_t max) {
        char buffer[CHUNK];
        ssize_t n = read(from, buffer, MIN(sizeof(buffer), max));

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -EPIPE;
        calm_apply(calm, buffer, (size_t) n);
        for (ssize_t done = 0; done < n;) {
                ssize_t k = write(to, buffer + done, (size_t) (n - done));

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        break; /* nobody reads: the output is lost, the container lives on */
                done += k;
        }
        return n;
}

/* Is writing to fd possible within timeout_ms? Only then is a stream read: a reader that stalls must stall the
 * command's output, not our reaping and forwarding. */
static bool writable(int fd, int timeout_ms) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };

        return poll(&p, 1, timeout_ms) > 0;
}

/* What is there when the command has ended, and no more: what it has left in the background may write for ever. */
static void drain_stream(int from, int to, Calm *calm) {
        int left;

        if (from < 0 || ioctl(from, FIONREAD, &left) < 0)
                return;
        while (left > 0 && writable(to, DRAIN_TIMEOUT_MS)) {
                ssize_t n = copy_chunk(from, to, calm, (size_t) left);

                if (n <= 0)
                        return;
                left -= (int) n;
        }
}

static void drain(InitStreams *streams) {
        for (size_t i = 0; i < 2; i++)
                drain_stream(streams->from[i], STDOUT_FILENO + (int) i, &streams->calm[i]);
}

/* Reaps everything that has ended. Returns the status once the command is among it, else negative. */
static int reap(pid_t pid) {
        int status = -1;

        for (;;) {
                siginfo_t info = { .si_pid = 0 };

                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                        return status;
                if (info.si_pid == pid)
                        status = info.si_code == CLD_EXITED ? info.si_status
                                                            : EXIT_SIGNAL_BASE + info.si_status;
        }
}

/* What a signal to PID 1 means for the command; 0: nothing. */
static int translate_signal(int signal_number, int stop_signal) {
        /* machinectl poweroff and reboot speak to an init like systemd's; see systemd(1), SIGNALS */
        if (signal_number == SIGRTMIN + 3 || signal_number == SIGRTMIN + 4)
                signal_number = SIGTERM;
        switch (signal_number) {
        case SIGCHLD:
        case SIGPIPE:
        case SIGTSTP: /* the terminal's job control is the command's own affair */
        case SIGTTIN:
        case SIGTTOU:
                return 0;
        case SIGTERM:
                return stop_signal > 0 ? stop_signal : SIGTERM;
        default:
                return signal_number;
        }
}

/* Handles what is queued. Returns the exit status when it is time to end, else negative. */
static int handle_signals(int signal_fd, pid_t pid, int stop_signal) {
        struct signalfd_siginfo info;

        while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
                int forward = translate_signal((int) info.ssi_signo, stop_signal);

                if (info.ssi_signo == SIGCHLD) {
                        int status = reap(pid);

                        if (status >= 0)
                                return status;
                } else if (forward == 0)
                        continue;
                else if (pid > 0)
                        (void) kill(pid, forward);
                else if (forward == SIGTERM || forward == SIGINT || forward == SIGQUIT ||
                         forward == SIGHUP || forward == stop_signal)
                        return EXIT_DONE;
        }
        return -1;
}

/* 0: go on watching; 1: the launcher is done; negative: it is gone. */
static int handle_watch(int watch_fd) {
        char byte;
        ssize_t n = read(watch_fd, &byte, 1);

        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        return n == 1 && byte == 'R' ? 1 : -EPIPE;
}

/* Adds what there is to wait for of the command's output. */
static nfds_t add_streams(const InitStreams *streams, struct pollfd *fds) {
        nfds_t n = 0;

        for (size_t i = 0; i < 2; i++)
                if (streams->from[i] >= 0) {
                        bool ready = writable(STDOUT_FILENO + (int) i, 0);

                        /* either wait for something to read, or for room to write it to */
                        fds[n++] = ready ? (struct pollfd){ .fd = streams->from[i], .events = POLLIN }
                                         : (struct pollfd){ .fd = STDOUT_FILENO + (int) i,
                                                            .events = POLLOUT };
                }
        return n;
}

static void copy_streams(InitStreams *streams) {
        for (size_t i = 0; i < 2; i++)
                if (streams->from[i] >= 0 && writable(STDOUT_FILENO + (int) i, 0) &&
                    copy_chunk(streams->from[i], STDOUT_FILENO + (int) i, &streams->calm[i], CHUNK) < 0)
                        streams->from[i] = close_fd(streams->from[i]);
}

static uintptr_t page_size(void) {
        return (uintptr_t) sysconf(_SC_PAGESIZE);
}

/* What of the program can come back from the file. Behind it the linker has put what was written to when the program
 * was relocated: not to be lost. */
static uintptr_t program(size_t *ret_size) {
        extern const char __executable_start[], __preinit_array_start[];
        uintptr_t mask = ~(page_size() - 1), start = (uintptr_t) __executable_start & mask;

        *ret_size = ((uintptr_t) __preinit_array_start & mask) - start;
        return start;
}

/* Lets go of the pages of the program that are not needed any more; the few that still are come back. */
static void release_memory(void) {
        size_t size;
        uintptr_t start = program(&size);

        (void) madvise((void *) start, size, MADV_DONTNEED);
}

static int loop(Init *init, int signal_fd) {
        for (;;) {
                struct pollfd fds[INIT_FILES] = {
                        { .fd = signal_fd, .events = POLLIN },
                        { .fd = init->watch_fd, .events = POLLIN },
                        { .fd = notify_relay_ready(&init->notify) ? init->notify.from_fd : -EBADF,
                          .events = POLLIN },
                };
                nfds_t n = 3;
                int status;

                n += add_streams(&init->streams, fds + n);
                while (n < ARRAY_LEN(fds))
                        fds[n++].fd = -EBADF;
                if (poll(fds, ARRAY_LEN(fds), notify_relay_timeout(&init->notify)) < 0 && errno != EINTR)
                        return EXIT_BERTH;
                copy_streams(&init->streams);
                if (notify_relay_run(&init->notify))
                        release_memory(); /* it is done for a while */
                if (init->watch_fd >= 0 && fds[1].revents != 0) {
                        int r = handle_watch(init->watch_fd);

                        if (r < 0)
                                return EXIT_BERTH;
                        if (r > 0)
                                init->watch_fd = close_fd(init->watch_fd);
                }
                status = handle_signals(signal_fd, init->pid, init->stop_signal);
                if (status >= 0)
                        return status;
        }
}

/* With a page the kernel brings back those around it, up to the end of the mapping: what runs all the time is made
 * mappings of their own, which pages are that differ in whether they go into a core dump. */
static void part_pages(void) {
        const uintptr_t needed[] = { (uintptr_t) loop,
                                     (uintptr_t) notify_relay_ready,
                                     (uintptr_t) poll,
                                     (uintptr_t) read,
                                     (uintptr_t) write,
                                     (uintptr_t) waitid,
                                     (uintptr_t) kill,
                                     (uintptr_t) madvise,
                                     (uintptr_t) __errno_location };
        uintptr_t page = page_size(), start;
        size_t size;

        start = program(&size);
        (void) madvise((void *) start, size, MADV_DONTDUMP);
        for (size_t i = 0; i < ARRAY_LEN(needed); i++)
                (void) madvise((void *) (needed[i] & ~(page - 1)), 2 * page, MADV_DODUMP);
}

/* What ends before systemd has heard that it has begun never was for it: a command may be quicker than the launcher. */
static void await_launcher(int watch_fd) {
        while (watch_fd >= 0 && handle_watch(watch_fd) == 0)
                ;
}

int init_run(Init *init) {
        _cleanup_close_ int signal_fd = -EBADF;
        sigset_t all;
        int status;

        sigfillset(&all);
        signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signal_fd < 0)
                return EXIT_BERTH;
        part_pages();
        release_memory();
        status = loop(init, signal_fd);
        (void) notify_relay_run(&init->notify); /* its last words, such as ERRNO= */
        drain(&init->streams);
        await_launcher(init->watch_fd);
        return status;
}
